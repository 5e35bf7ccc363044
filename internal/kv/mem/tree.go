package mem

import (
	"bytes"
	"hash/fnv"

	"grange/internal/kv"
)

// node is a node of a treap: ordered by key, and a heap by priority. Nodes are never changed once made. The priority
// is a hash of the key, so that the shape of a tree depends on its keys only.
type node struct {
	key, value  []byte
	priority    uint64
	left, right *node
}

func priority(key []byte) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(key) // never fails
	// The multiplication spreads the last byte's change over the high bits.
	x := h.Sum64()
	return (x ^ x>>32) * 0x9e3779b97f4a7c15
}

func (n *node) with(left, right *node) *node {
	return &node{key: n.key, value: n.value, priority: n.priority, left: left, right: right}
}

// split cuts a tree into the keys before key and the keys at or after it.
func split(n *node, key []byte) (before, rest *node) {
	if n == nil {
		return nil, nil
	}
	if bytes.Compare(n.key, key) < 0 {
		b, r := split(n.right, key)
		return n.with(n.left, b), r
	}
	b, r := split(n.left, key)
	return b, n.with(r, n.right)
}

// join puts two trees together; all keys of a stand before those of b.
func join(a, b *node) *node {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.priority > b.priority:
		return a.with(a.left, join(a.right, b))
	default:
		return b.with(join(a, b.left), b.right)
	}
}

// successor is the first key after key.
func successor(key []byte) []byte { return append(clone(key), 0) }

func set(root *node, key, value []byte) *node {
	if find(root, key) != nil {
		return replace(root, key, value)
	}
	return insert(root, &node{key: key, value: value, priority: priority(key)})
}

func replace(n *node, key, value []byte) *node {
	switch c := bytes.Compare(key, n.key); {
	case c < 0:
		return n.with(replace(n.left, key, value), n.right)
	case c > 0:
		return n.with(n.left, replace(n.right, key, value))
	default:
		return &node{key: n.key, value: value, priority: n.priority, left: n.left, right: n.right}
	}
}

func insert(n, fresh *node) *node {
	switch {
	case n == nil:
		return fresh
	case fresh.priority > n.priority:
		before, rest := split(n, fresh.key)
		return fresh.with(before, rest)
	case bytes.Compare(fresh.key, n.key) < 0:
		return n.with(insert(n.left, fresh), n.right)
	default:
		return n.with(n.left, insert(n.right, fresh))
	}
}

func remove(root *node, key []byte) *node {
	if find(root, key) == nil {
		return root
	}
	return removeRange(root, key, successor(key))
}

func removeRange(root *node, lower, upper []byte) *node {
	if bytes.Compare(lower, upper) >= 0 {
		return root
	}
	before, rest := split(root, lower)
	_, after := split(rest, upper)
	return join(before, after)
}

func find(n *node, key []byte) *node {
	for n != nil {
		switch c := bytes.Compare(key, n.key); {
		case c < 0:
			n = n.left
		case c > 0:
			n = n.right
		default:
			return n
		}
	}
	return nil
}

// ceiling is the first node at or after key.
func ceiling(n *node, key []byte) (best *node) {
	for n != nil {
		if bytes.Compare(n.key, key) >= 0 {
			best, n = n, n.left
		} else {
			n = n.right
		}
	}
	return best
}

// below is the last node before key; with a nil key the last of all.
func below(n *node, key []byte) (best *node) {
	for n != nil {
		if key == nil || bytes.Compare(n.key, key) < 0 {
			best, n = n, n.right
		} else {
			n = n.left
		}
	}
	return best
}

func get(root *node, key []byte) ([]byte, error) {
	n := find(root, key)
	if n == nil {
		return nil, kv.ErrNotFound
	}
	return clone(n.value), nil
}

// iter is a position in one immutable tree. Before the first move, and past either end, at is nil; edge tells which
// end, so that a step back in returns to the range as in Pebble.
type iter struct {
	root         *node
	lower, upper []byte
	at           *node
	edge         int // -1 before the range, +1 after it
}

func newIter(root *node, lower, upper []byte) *iter {
	return &iter{root: root, lower: clone(lower), upper: cloneBound(upper), edge: -1}
}

func cloneBound(b []byte) []byte {
	if b == nil {
		return nil
	}
	return clone(b)
}

func (it *iter) forward(n *node) bool {
	if n == nil || it.upper != nil && bytes.Compare(n.key, it.upper) >= 0 {
		it.at, it.edge = nil, +1
		return false
	}
	it.at = n
	return true
}

func (it *iter) backward(n *node) bool {
	if n == nil || bytes.Compare(n.key, it.lower) < 0 {
		it.at, it.edge = nil, -1
		return false
	}
	it.at = n
	return true
}

func (it *iter) First() bool { return it.forward(ceiling(it.root, it.lower)) }

func (it *iter) Last() bool { return it.backward(below(it.root, it.upper)) }

func (it *iter) SeekGE(key []byte) bool {
	if bytes.Compare(key, it.lower) < 0 {
		key = it.lower
	}
	return it.forward(ceiling(it.root, key))
}

func (it *iter) SeekLT(key []byte) bool {
	if it.upper != nil && bytes.Compare(key, it.upper) > 0 {
		key = it.upper
	}
	return it.backward(below(it.root, key))
}

func (it *iter) Next() bool {
	switch {
	case it.at != nil:
		return it.forward(ceiling(it.root, successor(it.at.key)))
	case it.edge < 0:
		return it.First()
	default:
		return false
	}
}

func (it *iter) Prev() bool {
	switch {
	case it.at != nil:
		return it.backward(below(it.root, it.at.key))
	case it.edge > 0:
		return it.Last()
	default:
		return false
	}
}

func (it *iter) Valid() bool   { return it.at != nil }
func (it *iter) Key() []byte   { return it.at.key }
func (it *iter) Value() []byte { return it.at.value }
func (it *iter) Error() error  { return nil }
func (it *iter) Close() error  { return nil }
