package disk

// State is what a directory can do.
type State string

const (
	// StateOK takes reads and writes.
	StateOK State = "ok"
	// StateFull has only its reserve left: no Puts of new blocks.
	StateFull State = "full"
	// StateReadOnly met an I/O error and takes no writes until the next start.
	StateReadOnly State = "read-only"
)

// DirStats describes one directory. Sizes are in bytes.
type DirStats struct {
	Disk     Disk
	State    State
	Err      error // why it is read-only
	Space    Space
	Reserve  int64
	Live     int64 // records that are needed, headers included
	Garbage  int64 // what compaction could free
	Segments int
	Missing  int // segments that should be there and are not
	Corrupt  int // corrupt copies that were met since the start and may have been replaced
}

// Stats describes the directories as they are now. It asks each file system for its free space.
func (s *Store) Stats() []DirStats {
	all := make([]DirStats, len(s.dirs))
	for i, d := range s.dirs {
		all[i] = d.stats()
	}
	return all
}

func (d *dir) stats() DirStats {
	st := DirStats{Disk: d.disk, State: StateOK, Space: d.space(), Reserve: d.reserve}
	if st.Space.Free < d.reserve {
		st.State = StateFull
	}
	if f := d.failed.Load(); f != nil {
		st.State, st.Err = StateReadOnly, f.err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, seg := range d.mu.segs {
		st.Segments++
		st.Live += seg.state.live
		st.Garbage += seg.garbage()
		if seg.missing {
			st.Missing++
		}
	}
	st.Corrupt = len(d.mu.bad)
	return st
}
