package chain

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

func TestHash(t *testing.T) {
	for _, c := range []struct{ name, message, want string }{
		{None, "", ""},
		{None, "abc", "616263"},
		// FIPS 180-4, examples
		{SHA256, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{SHA256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		// Ethereum's yellow paper: the hashes of nothing and of the RLP of nothing
		{Keccak256, "", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"},
		{Keccak256, "\x80", "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"},
		{Keccak256, "abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"},
		// the documentations of web3.js and ethers.js, hashMessage
		{EIP191, "Some data", "1da44b586eb0729ff70a73c326926f6ed5a25f5b056e7f47fbc6e58d86871655"},
		{EIP191, "hello world", "d9eba16ed0ecae432b71fe008c98cc872bb4cc214d3220a36f365326cf807d68"},
		{EIP191, "", "5f35dce98ba4fba25530a026ed80b2cecdaa31091ba4958b99b52ea1d068adad"},
	} {
		got, err := Hash(c.name, []byte(c.message))
		noError(t, err)
		equal(t, c.name+" of "+c.message, hex.EncodeToString(got), c.want)
	}
}

// The length is that of the bytes, in decimal, however long.
func TestEIP191Length(t *testing.T) {
	for _, n := range []int{9, 10, 100, 32 << 10} {
		message := bytes.Repeat([]byte("m"), n)
		got, err := Hash(EIP191, message)
		noError(t, err)
		digits := map[int]string{9: "9", 10: "10", 100: "100", 32 << 10: "32768"}[n]
		want, err := Hash(Keccak256, append([]byte("\x19Ethereum Signed Message:\n"+digits), message...))
		noError(t, err)
		equal(t, "the digest", hex.EncodeToString(got), hex.EncodeToString(want))
	}
}

func TestHashNoneCopies(t *testing.T) {
	message := []byte("abc")
	got, err := Hash(None, message)
	noError(t, err)
	message[0]++
	equal(t, "the message", string(got), "abc")
}

func TestUnknownHash(t *testing.T) {
	for _, name := range []string{"", "SHA256", "sha-256", "md5", "eip712"} {
		got, err := Hash(name, []byte("abc"))
		wantError(t, err, ErrHash)
		for _, known := range Hashes() {
			if !strings.Contains(err.Error(), known) {
				t.Errorf("the error does not list %s: %v", known, err)
			}
		}
		equal(t, "the digest's length", len(got), 0)
	}
}

func TestDecode(t *testing.T) {
	for _, c := range []struct{ encoding, text, want string }{
		{Hex, "", ""}, {Hex, "0x", ""}, {Hex, "0001fF", "\x00\x01\xff"}, {Hex, "0x0001Ff", "\x00\x01\xff"},
		{Base64, "", ""}, {Base64, "AAH/", "\x00\x01\xff"}, {Base64, "AAE=", "\x00\x01"},
		{UTF8, "", ""}, {UTF8, "0x00", "0x00"}, {UTF8, "ä\r\n", "ä\r\n"},
	} {
		got, err := Decode(c.encoding, c.text)
		noError(t, err)
		equal(t, c.encoding+" "+c.text, string(got), c.want)
	}
	for _, c := range []struct{ encoding, text string }{
		{Hex, "0"}, {Hex, "0x0"}, {Hex, "zz"}, {Hex, "00 0"}, {Hex, "0X00"}, {Hex, "0x0x00"}, {Hex, "00\n\n"},
		{Base64, "AAE"}, {Base64, "AAF="}, {Base64, "AA-_"}, {Base64, "AA\nH/"}, {Base64, "AAH/\r\n"}, {Base64, "===="},
		{"", "00"}, {"morse", "..."},
	} {
		got, err := Decode(c.encoding, c.text)
		wantError(t, err, ErrText)
		equal(t, "what is decoded", len(got), 0)
		if len(c.text) > 3 && strings.Contains(err.Error(), c.text) {
			t.Errorf("the error repeats the text: %v", err)
		}
	}
}
