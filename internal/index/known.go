package index

import "grange/internal/block"

// PartsPage is a part of a listing of an upload's parts, by number.
type PartsPage struct {
	Parts     []Part
	Truncated bool // there are more
}

// Known tells whether the index has anything to say of a block: a record names it, or did and its deletion is still to be decided or carried
// out. A block on a disk that is not known was never named, or is a copy that its burial overlooked.
func (v *View) Known(a block.Address) (bool, error) {
	ref, err := v.reference(a)
	if err != nil || ref != nil {
		return ref != nil, err
	}
	doom, err := v.doomOf(a)
	return doom != nil && !doom.Buried, err
}
