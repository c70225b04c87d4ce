package keystore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/fb"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/badger/v4/y"
	"google.golang.org/protobuf/proto"
)

// checkFiles verifies the checksums of a database before Badger opens it. Badger v4.9
// trusts its files: on a rotten table it panics in goroutines of its own or exits, and it
// deletes tables that a rotten manifest no longer names. The cost is one reading of
// all tables at start.
func checkFiles(opt badger.Options) (err error) {
	// The formats are read with Badger's parsers, which expect sound bytes.
	defer func() {
		if r := recover(); r != nil {
			err = rotten(opt.Dir, fmt.Errorf("%v", r))
		}
	}()
	if err := checkLogs(opt.Dir); err != nil {
		return err
	}
	path := filepath.Join(opt.Dir, badger.ManifestFilename)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a new database
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	manifest, end, err := badger.ReplayManifestFile(f, opt.ExternalMagicVersion, opt)
	if err != nil {
		return rotten(path, err)
	}
	if err := checkTail(f, end, manifest); err != nil {
		return rotten(path, err)
	}
	for id := range manifest.Tables {
		name := table.NewFilename(id, opt.Dir)
		data, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			return rotten(name, err)
		}
		if err != nil {
			return err
		}
		if err := checkTable(data); err != nil {
			return rotten(name, err)
		}
	}
	return nil
}

// checkLogs refuses a log whose header names a key of Badger's encryption, which is off
// here (OpenDB). Badger finds it too, but calls it a wrong key, and where the log is a
// memtable's it goes on holding what it has opened. Logs of no bytes, as a process leaves that is
// killed between making and sizing one, are removed: Badger would refuse to open beside them.
func checkLogs(dir string) error {
	empty := 0
	for _, suffix := range []string{".mem", ".vlog"} {
		names, err := filesOf(dir, suffix)
		if err != nil {
			return err
		}
		for _, name := range names {
			size, err := checkLog(name)
			if err == nil && size == 0 {
				empty++
				err = os.Remove(name)
			}
			if err != nil {
				return err
			}
		}
	}
	if empty == 0 {
		return nil
	}
	return SyncDir(dir)
}

// checkLog returns how much of the number of a key, with which a log's header begins, is there.
func checkLog(name string) (size int, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	var key [8]byte
	size, err = io.ReadFull(f, key[:])
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return size, nil // Badger writes the header anew
	case err != nil:
		return size, err
	case key != [8]byte{}:
		return size, rotten(name, errors.New("its header is altered"))
	}
	return size, nil
}

// filesOf lists the files in dir with a suffix. The folder's name may be anything, so it is no
// pattern.
func filesOf(dir, suffix string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if filepath.Ext(e.Name()) == suffix {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	return names, nil
}

// checkTail refuses a manifest that ends in an unreadable entry when there are tables
// that it does not name: the entry may have named them, and Badger would delete them.
func checkTail(f *os.File, end int64, m badger.Manifest) error {
	info, err := f.Stat()
	if err != nil || info.Size() == end {
		return err
	}
	names, err := filesOf(filepath.Dir(f.Name()), ".sst")
	if err != nil {
		return err
	}
	for _, name := range names {
		id, ok := table.ParseFileID(name)
		if _, named := m.Tables[id]; ok && !named {
			return fmt.Errorf("it is cut short and does not name %s", name)
		}
	}
	return nil
}

// checkTable verifies a table file: blocks, then the index with the offset and length
// of each block, its length (u32), its checksum, the checksum's length (u32). Each
// block ends in its own checksum and that one's length.
func checkTable(data []byte) error {
	rest, sum, err := cutChecksum(data)
	if err != nil {
		return err
	}
	rest, index, err := cutSized(rest)
	if err != nil {
		return err
	}
	if err := y.VerifyChecksum(index, sum); err != nil {
		return fmt.Errorf("its index: %w", err)
	}
	root := fb.GetRootAsTableIndex(index, 0)
	for i := range root.OffsetsLength() {
		var at fb.BlockOffset
		if !root.Offsets(&at, i) {
			return fmt.Errorf("its index has no block %d", i)
		}
		from, to := uint64(at.Offset()), uint64(at.Offset())+uint64(at.Len())
		if to > uint64(len(rest)) {
			return fmt.Errorf("block %d ends at %d of %d", i, to, len(rest))
		}
		block, sum, err := cutChecksum(rest[from:to])
		if err == nil {
			err = y.VerifyChecksum(block, sum)
		}
		if err != nil {
			return fmt.Errorf("block %d: %w", i, err)
		}
	}
	return nil
}

func cutChecksum(data []byte) (rest []byte, sum *pb.Checksum, err error) {
	rest, enc, err := cutSized(data)
	if err != nil {
		return nil, nil, err
	}
	sum = new(pb.Checksum)
	return rest, sum, proto.Unmarshal(enc, sum)
}

// cutSized cuts a field off the end of data, where its length follows it.
func cutSized(data []byte) (rest, field []byte, err error) {
	n := len(data) - 4
	if n < 0 {
		return nil, nil, errTorn
	}
	size := binary.BigEndian.Uint32(data[n:])
	if uint64(size) > uint64(n) {
		return nil, nil, errTorn
	}
	return data[:n-int(size)], data[n-int(size) : n], nil
}

func rotten(path string, err error) error {
	return fmt.Errorf("%w: %s: %w; restore it from a cold copy", ErrIncomplete, path, err)
}
