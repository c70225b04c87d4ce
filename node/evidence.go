package node

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/protocol"
)

// Bounds of the evidence on disk. One piece has two envelopes at most. The oldest goes
// first, what proves nothing before the rest; of one culprit there is a part of it
// at most, so that it does not push out what shows the others' faults.
const (
	maxEvidence      = 1 << 20 // bytes of one file
	maxEvidenceFiles = 1024
	maxEvidenceBytes = 64 << 20 // of all of them
	maxCulpritFiles  = maxEvidenceFiles / 8
	maxCulpritBytes  = maxEvidenceBytes / 8
	staleFile        = time.Hour
)

// errEvidenceRoom reports evidence for which others would have had to go.
var errEvidenceRoom = errors.New("there is no room for it in the evidence folder: what is there proves more; move old files elsewhere")

// Ends of the names of evidence files.
const (
	extProven  = ".proven.cbor"
	extClaimed = ".claimed.cbor" // rests on this party's word
)

// EvidenceDir is the folder of a party's evidence: one file for each culprit of each
// attempt, a protocol.Evidence in its encoding, with the payloads of broadcasts. The
// name is SESSION.SID.CULPRIT and .proven.cbor or .claimed.cbor; SID has 8 digits, as in
// the log. The empty EvidenceDir keeps nothing.
type EvidenceDir string

// EvidenceIn is the evidence of a data folder (Config.DataDir).
func EvidenceIn(dataDir string) EvidenceDir { return EvidenceDir(filepath.Join(dataDir, "evidence")) }

// EvidenceFile is one file of an EvidenceDir and what it shows, if Err is nil.
type EvidenceFile struct {
	Name     string
	Time     time.Time
	Size     int64 // bytes
	Evidence *protocol.Evidence
	Finding  protocol.Finding
	Err      error
}

// List reads all evidence, the newest first. A folder that does not exist is an
// empty one.
func (d EvidenceDir) List() ([]EvidenceFile, error) {
	files, err := d.files()
	if err != nil {
		return nil, err
	}
	slices.Reverse(files)
	for i := range files {
		f := &files[i]
		f.Evidence, f.Err = d.read(f.Name)
		if f.Err == nil {
			f.Finding, f.Err = f.Evidence.Verify(p2p.Verify)
		}
	}
	return files, nil
}

func (d EvidenceDir) read(name string) (*protocol.Evidence, error) {
	data, err := readFile(filepath.Join(string(d), name), maxEvidence)
	if err != nil {
		return nil, err
	}
	var v protocol.Evidence
	if err := protocol.Unmarshal(data, &v); err != nil {
		return nil, fmt.Errorf("%w: %w", protocol.ErrEvidence, err)
	}
	return &v, nil
}

// files lists the files, the oldest first.
func (d EvidenceDir) files() ([]EvidenceFile, error) {
	entries, err := os.ReadDir(string(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var files []EvidenceFile
	for _, e := range entries {
		info, gone := e.Info()
		if gone != nil || !info.Mode().IsRegular() {
			continue
		}
		if strings.HasSuffix(e.Name(), extProven) || strings.HasSuffix(e.Name(), extClaimed) {
			files = append(files, EvidenceFile{Name: e.Name(), Time: info.ModTime(), Size: info.Size()})
		}
	}
	slices.SortFunc(files, func(a, b EvidenceFile) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Name, b.Name))
	})
	return files, err
}

// write keeps evidence of an attempt of a session and returns the file's name, or
// none if there is no file. It has been verified, with or without being a proof.
func (d EvidenceDir) write(session string, v *protocol.Evidence, proven bool) (string, error) {
	if d == "" {
		return "", nil
	}
	data, err := protocol.Marshal(v)
	if err != nil {
		return "", err
	}
	if len(data) > maxEvidence {
		return "", fmt.Errorf("evidence has %d bytes, at most %d are kept", len(data), maxEvidence)
	}
	ext := extClaimed
	if proven {
		ext = extProven
	}
	name := fileName(session) + "." + v.SID.Short() + "." + fileName(v.Culprit) + ext
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return "", err
	}
	unlock, err := lockFolder(string(d))
	if err != nil {
		return "", err
	}
	defer unlock()
	if err := writeFile(filepath.Join(string(d), name), data); err != nil {
		return "", err
	}
	removed, err := d.prune()
	if slices.Contains(removed, name) {
		return "", errors.Join(errEvidenceRoom, err)
	}
	return name, err
}

// prune keeps the folder within its bounds, and removes what a crash has left half
// written. It returns the names of the evidence that it has removed.
func (d EvidenceDir) prune() (removed []string, err error) {
	files, err := d.files()
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(files, func(a, b EvidenceFile) int { return cmp.Compare(rank(a.Name), rank(b.Name)) })
	of := make(map[string][]EvidenceFile)
	for _, f := range files {
		of[culpritOf(f.Name)] = append(of[culpritOf(f.Name)], f)
	}
	tooMany := make(map[string]bool)
	for _, theirs := range of {
		for _, f := range beyond(theirs, maxCulpritFiles, maxCulpritBytes) {
			tooMany[f.Name] = true
		}
	}
	rest := slices.DeleteFunc(slices.Clone(files), func(f EvidenceFile) bool { return tooMany[f.Name] })
	for _, f := range beyond(rest, maxEvidenceFiles, maxEvidenceBytes) {
		tooMany[f.Name] = true
	}
	for name := range tooMany {
		if failed := os.Remove(filepath.Join(string(d), name)); failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		removed = append(removed, name)
	}
	return removed, errors.Join(err, removeStale(string(d)))
}

// beyond returns the first files, as many as have to go so that so many with so many
// bytes are left.
func beyond(files []EvidenceFile, most int, mostBytes int64) []EvidenceFile {
	size := int64(0)
	for _, f := range files {
		size += f.Size
	}
	gone := 0
	for ; len(files)-gone > most || size > mostBytes; gone++ {
		size -= files[gone].Size
	}
	return files[:gone]
}

// culpritOf is the part of a file's name that stands for the culprit; of a name
// that write has not made it is something else.
func culpritOf(name string) string {
	name, _ = strings.CutSuffix(name, extProven)
	name, _ = strings.CutSuffix(name, extClaimed)
	return name[strings.LastIndexByte(name, '.')+1:]
}

func rank(name string) int {
	if strings.HasSuffix(name, extProven) {
		return 1
	}
	return 0
}

// removeStale removes files of a folder that were never finished.
func removeStale(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		info, gone := e.Info()
		if gone == nil && strings.HasPrefix(e.Name(), keystore.Unfinished) && time.Since(info.ModTime()) > staleFile {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}
