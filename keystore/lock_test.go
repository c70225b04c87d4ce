package keystore

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestLockDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	l, err := LockDir(dir)
	noError(t, err)
	_, err = LockDir(dir)
	wantError(t, err, ErrInUse)
	if !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), fmt.Sprint("process ", os.Getpid())) {
		t.Fatalf("the error must name folder and process: %v", err)
	}
	_, err = Open(Config{Dir: dir, Master: testMaster(t, "a7"), Party: testParty})
	wantError(t, err, ErrInUse)
	noError(t, l.Release())
	noError(t, l.Release())
	again, err := LockDir(dir)
	noError(t, err)
	noError(t, again.Release())
}

func TestOpenWithTheLockOfTheCaller(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	l, err := LockDir(dir)
	noError(t, err)
	defer func() { noError(t, l.Release()) }()
	cfg := Config{Dir: other, Master: testMaster(t, "a7"), Party: testParty, Lock: l}
	_, err = Open(cfg)
	wantError(t, err, ErrInvalid)
	cfg.Dir = dir
	s, err := Open(cfg)
	noError(t, err)
	noError(t, s.Close())
	_, err = LockDir(dir) // still the caller's
	wantError(t, err, ErrInUse)
}

func TestOpenDBTwice(t *testing.T) {
	dir := t.TempDir()
	l, err := LockDir(dir) // the same folder as the database: the two locks do not meet
	noError(t, err)
	db, err := OpenDB(dir)
	noError(t, err)
	_, err = OpenDB(dir)
	wantError(t, err, ErrInUse)
	noError(t, db.Close())
	_, err = LockDir(dir)
	wantError(t, err, ErrInUse)
	noError(t, l.Release())
}

func childLock() error {
	if _, err := LockDir(os.Getenv(crashDirEnv)); err != nil {
		return err
	}
	fmt.Println("locked")
	_, err := io.Copy(io.Discard, os.Stdin) // until the parent closes it
	return err
}

func TestLockAcrossProcesses(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=lock", crashDirEnv+"="+dir)
	in, err := cmd.StdinPipe()
	noError(t, err)
	out, err := cmd.StdoutPipe()
	noError(t, err)
	noError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	noError(t, err)
	if line != "locked\n" {
		t.Fatalf("child said %q", line)
	}
	_, err = Open(Config{Dir: dir, Master: testMaster(t, "a7"), Party: testParty})
	wantError(t, err, ErrInUse)
	if !strings.Contains(err.Error(), fmt.Sprint("process ", cmd.Process.Pid)) {
		t.Fatalf("the error must name the process %d: %v", cmd.Process.Pid, err)
	}
	noError(t, cmd.Process.Kill()) // a lock ends with its process, however that ends
	_ = cmd.Wait()
	_ = in.Close() // Wait closed it
	openAt(t, dir)
}
