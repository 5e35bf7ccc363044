package inspect

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"grange/internal/block/disk"
)

// Segment is a segment file with what it holds. Sizes are in bytes.
type Segment struct {
	Path     string   `json:"path"`
	Size     int64    `json:"size"`
	Records  int      `json:"records"`
	Blocks   int      `json:"blocks"`
	Content  int64    `json:"content"` // of the blocks, before compression
	Stored   int64    `json:"stored"`  // of the blocks, as they are stored
	Damaged  int      `json:"damaged"` // records whose content does not match its checksums
	Gaps     []string `json:"gaps,omitempty"`
	Contents []Record `json:"contents,omitempty"`
}

// Record is a record of a segment.
type Record struct {
	Offset  int64  `json:"offset"`
	Length  int64  `json:"length"`
	Kind    string `json:"kind"`
	Bucket  string `json:"bucket"`
	Block   string `json:"block"` // hash
	Epoch   uint64 `json:"epoch"`
	Size    int    `json:"size"`
	Stored  int64  `json:"stored"`
	Chunks  int    `json:"chunks"`
	Packed  int    `json:"packed"` // chunks that are compressed
	Problem string `json:"problem,omitempty"`
}

// SegmentFiles lists the segment files of a block directory, oldest first.
func SegmentFiles(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "segments", "*.seg"))
	slices.Sort(files)
	return files, err
}

// ReadSegment reads and checks a segment file; with contents it names every record.
func ReadSegment(path string, contents bool) (s Segment, err error) {
	f, err := os.Open(path)
	if err != nil {
		return s, err
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return s, err
	}
	s.Path, s.Size = path, info.Size()
	report, err := disk.InspectSegment(f, func(r disk.Record) bool {
		s.add(r, contents)
		return true
	})
	if err != nil {
		return s, fmt.Errorf("segment %s: %w", path, err)
	}
	for _, g := range report.Gaps {
		s.Gaps = append(s.Gaps, fmt.Sprintf("%d-%d", g.From, g.To))
	}
	return s, nil
}

func (s *Segment) add(r disk.Record, contents bool) {
	s.Records++
	if r.Size > 0 {
		s.Blocks++
		s.Content += int64(r.Size)
		s.Stored += r.Stored
	}
	out := Record{
		Offset: r.Offset, Length: r.Length, Kind: r.Kind.String(), Bucket: r.Address.Bucket.String(),
		Block: r.Address.Hash.String(), Epoch: uint64(r.Epoch), Size: r.Size, Stored: r.Stored, Chunks: r.Chunks, Packed: r.Packed,
	}
	if r.Problem != nil {
		s.Damaged++
		out.Problem = r.Problem.Error()
	}
	if contents {
		s.Contents = append(s.Contents, out)
	}
}
