package tlsnet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"grange/internal/id"
	"grange/internal/transport"
)

// kind says what an envelope holds. The numbers are sent.
type kind uint8

const (
	kindHello   kind = 1 // the first of the dialling side
	kindWelcome kind = 2 // the answer to an accepted hello
	kindRefusal kind = 3 // the answer to any other, and the last of a connection
	kindData    kind = 4 // a frame
	kindPing    kind = 5 // is sent back as a pong with the same bytes
	kindPong    kind = 6
	kindRequest kind = 7 // of a join
	kindAnswer  kind = 8 // of a join
)

const (
	headerSize    = 12
	smallBytesMax = 4 << 10 // payload of hello, welcome, refusal, ping and pong
	textBytesMax  = 1 << 10
	eagerBytes    = 256 << 10 // so much is allocated before any of it has arrived
)

// ErrCorrupt reports bytes that no correct node sends. The connection they came on is closed.
var ErrCorrupt = errors.New("transport: corrupt bytes from another node")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// bytesMax bounds the payload of a kind; 0 for kinds that do not exist.
func (k kind) bytesMax() int {
	switch k {
	case kindHello, kindWelcome, kindRefusal, kindPing, kindPong:
		return smallBytesMax
	case kindData:
		return transport.FrameBytesMax
	case kindRequest:
		return joinRequestMax
	case kindAnswer:
		return joinAnswerMax
	default:
		return 0
	}
}

// envelope is the unit of the frame protocol.
type envelope struct {
	header  [headerSize]byte
	payload []byte
}

// seal makes the envelope of a payload, which must not be changed afterwards: its checksum is taken here.
func seal(k kind, payload []byte) envelope {
	e := envelope{payload: payload}
	binary.BigEndian.PutUint32(e.header[0:], uint32(len(payload)))
	e.header[4] = byte(k)
	binary.BigEndian.PutUint32(e.header[8:], e.checksum())
	return e
}

func (e *envelope) checksum() uint32 {
	return crc32.Update(crc32.Checksum(e.header[:8], castagnoli), castagnoli, e.payload)
}

func (e *envelope) kind() kind { return kind(e.header[4]) }

func (e *envelope) writeTo(w io.Writer) error {
	if _, err := w.Write(e.header[:]); err != nil {
		return err
	}
	_, err := w.Write(e.payload)
	return err
}

// readEnvelope reads the next envelope, which must be of one of the kinds. It returns io.EOF only between envelopes.
func readEnvelope(r io.Reader, kinds ...kind) (e envelope, err error) {
	if _, err := io.ReadFull(r, e.header[:]); err != nil {
		return e, err
	}
	size := binary.BigEndian.Uint32(e.header[0:])
	switch {
	case !slices.Contains(kinds, e.kind()):
		return e, fmt.Errorf("%w: unexpected kind %d", ErrCorrupt, e.kind())
	case int64(size) > int64(e.kind().bytesMax()):
		return e, fmt.Errorf("%w: %d bytes of kind %d", ErrCorrupt, size, e.kind())
	}
	if e.payload, err = readBytes(r, int(size)); err != nil {
		return e, err
	}
	if binary.BigEndian.Uint32(e.header[8:]) != e.checksum() {
		return e, fmt.Errorf("%w: checksum of an envelope of kind %d", ErrCorrupt, e.kind())
	}
	return e, nil
}

// readBytes reads size bytes. Memory is taken as they arrive, so that a length alone costs the sender's share.
func readBytes(r io.Reader, size int) ([]byte, error) {
	buf := make([]byte, min(size, eagerBytes))
	for have := 0; ; {
		n, err := io.ReadFull(r, buf[have:])
		have += n
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if have == size {
			return buf, nil
		}
		buf = append(make([]byte, 0, min(size, 2*have)), buf...)
		buf = buf[:cap(buf)]
	}
}

// hello opens a connection.
type hello struct {
	MinVersion, MaxVersion uint16 // protocol versions that the dialling side speaks
	Cluster                [16]byte
	Node                   id.Node
	Boot                   uint64 // drawn at the start of the process
	Class                  uint8  // a transport.Class, or joinClass
	Address                string // where the node says that it can be dialled; may be empty
}

const helloFixed = 2 + 2 + 16 + 16 + 8 + 1 + 1

func (h hello) encode() []byte {
	b := make([]byte, 0, helloFixed+len(h.Address))
	b = binary.BigEndian.AppendUint16(b, h.MinVersion)
	b = binary.BigEndian.AppendUint16(b, h.MaxVersion)
	b = append(b, h.Cluster[:]...)
	b = append(b, h.Node[:]...)
	b = binary.BigEndian.AppendUint64(b, h.Boot)
	b = append(b, h.Class, byte(len(h.Address)))
	return append(b, h.Address...)
}

// decodeHello reads a hello. Bytes after the address belong to later versions and are left alone.
func decodeHello(b []byte) (h hello, err error) {
	if len(b) < helloFixed || len(b) < helloFixed+int(b[helloFixed-1]) {
		return h, fmt.Errorf("%w: short hello", ErrCorrupt)
	}
	h.MinVersion, h.MaxVersion = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	copy(h.Cluster[:], b[4:])
	copy(h.Node[:], b[20:])
	h.Boot = binary.BigEndian.Uint64(b[36:])
	h.Class = b[44]
	h.Address = string(b[helloFixed : helloFixed+int(b[helloFixed-1])])
	if !utf8.ValidString(h.Address) || strings.ContainsFunc(h.Address, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return h, fmt.Errorf("%w: address in hello", ErrCorrupt)
	}
	return h, nil
}

// welcome accepts a hello.
type welcome struct {
	Version uint16 // the protocol version of the connection
	Boot    uint64 // of the accepting side
}

func (w welcome) encode() []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint16(nil, w.Version), w.Boot)
}

func decodeWelcome(b []byte) (welcome, error) {
	if len(b) < 10 {
		return welcome{}, fmt.Errorf("%w: short welcome", ErrCorrupt)
	}
	return welcome{binary.BigEndian.Uint16(b), binary.BigEndian.Uint64(b[2:])}, nil
}

// encode makes the bytes of a refusal.
func (e *RefusedError) encode() []byte {
	text := e.Text[:min(len(e.Text), textBytesMax)]
	return append(binary.BigEndian.AppendUint16(nil, uint16(e.Reason)), text...)
}

// decodeRefusal reads a refusal. Its text goes to logs: what is not printable is replaced.
func decodeRefusal(b []byte) (*RefusedError, error) {
	if len(b) < 2 || len(b) > 2+textBytesMax {
		return nil, fmt.Errorf("%w: refusal of %d bytes", ErrCorrupt, len(b))
	}
	return &RefusedError{Reason: Reason(binary.BigEndian.Uint16(b)), Text: printable(string(b[2:]))}, nil
}

// printable makes text of another node fit for one line of a log.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// agree finds the highest version that two ranges share.
func agree(aMin, aMax, bMin, bMax uint16) (version uint16, ok bool) {
	version = min(aMax, bMax)
	return version, version >= max(aMin, bMin)
}
