package tlsnet_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grange/internal/id"
	"grange/internal/transport"
	tlsnet "grange/internal/transport/tls"
)

var sampleHello = tlsnet.Hello{
	MinVersion: 1, MaxVersion: 3, Cluster: cluster, Node: id.Node{1, 2, 15: 16}, Boot: 0x0102030405060708,
	Class: 2, Address: "gn1:3901",
}

// The bytes are those of protocol version 1, and do not change: see docs/formats/transport.md.
func TestBytesOfVersion1(t *testing.T) {
	for name, test := range map[string]struct {
		got  []byte
		want string
	}{
		"hello": {tlsnet.Seal(1, sampleHello.Encode()), "0000003601000000" + "d5f740c2" +
			"00010003" + "636c7573746572000000000000000000" + "01020000000000000000000000000010" + "0102030405060708" + "02" + "08" + "676e313a33393031"},
		"welcome": {tlsnet.Seal(2, tlsnet.Welcome{Version: 1, Boot: 7}.Encode()), "0000000a02000000" + "bc815c12" + "0001" + "0000000000000007"},
		"refusal": {tlsnet.Seal(3, (&tlsnet.RefusedError{Reason: tlsnet.ReasonBusy, Text: "no"}).Encode()), "0000000403000000" + "fba74cd7" + "0004" + "6e6f"},
		"frame":   {tlsnet.Seal(4, []byte("abc")), "0000000304000000" + "825a688d" + "616263"},
	} {
		if got := hex.EncodeToString(test.got); got != test.want {
			t.Errorf("%s: got  %s\n want %s", name, got, test.want)
		}
	}
}

func TestHelloComesBack(t *testing.T) {
	for name, h := range map[string]tlsnet.Hello{
		"full":            sampleHello,
		"zero":            {},
		"longest address": {Address: strings.Repeat("a", 255)},
	} {
		got, err := tlsnet.DecodeHello(h.Encode())
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(h, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestHelloOfALaterVersionIsRead(t *testing.T) {
	got, err := tlsnet.DecodeHello(append(sampleHello.Encode(), "fields of version 9"...))
	if diff := cmp.Diff(sampleHello, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

func TestBadHellosAreRefused(t *testing.T) {
	good := sampleHello.Encode()
	for name, raw := range map[string][]byte{
		"empty":                    {},
		"cut in the address":       good[:len(good)-1],
		"cut in the fixed part":    good[:40],
		"line feed in the address": append(bytes.Clone(good[:len(good)-1]), '\n'),
		"address is no text":       append(bytes.Clone(good[:len(good)-1]), 0xff),
	} {
		if _, err := tlsnet.DecodeHello(raw); !errors.Is(err, tlsnet.ErrCorrupt) {
			t.Errorf("%s: got %v, want ErrCorrupt", name, err)
		}
	}
}

func TestDamagedEnvelopesAreRefused(t *testing.T) {
	good := tlsnet.Seal(4, []byte("some frame"))
	for bit := range 8 * len(good) {
		raw := bytes.Clone(good)
		raw[bit/8] ^= 1 << (bit % 8)
		if _, _, err := tlsnet.ReadEnvelope(bytes.NewReader(raw)); err == nil {
			t.Errorf("bit %d may flip", bit)
		}
	}
	for n := range good {
		_, _, err := tlsnet.ReadEnvelope(bytes.NewReader(good[:n]))
		if want := io.ErrUnexpectedEOF; n > 0 && !errors.Is(err, want) || n == 0 && !errors.Is(err, io.EOF) {
			t.Errorf("cut after %d bytes: got %v", n, err)
		}
	}
}

func TestTooLongEnvelopesAreRefusedBeforeTheyAreRead(t *testing.T) {
	for name, test := range map[string]struct {
		kind uint8
		size uint32
	}{
		"hello": {1, 5000}, "ping": {5, 5000}, "frame": {4, transport.FrameBytesMax + 1},
		"join request": {7, 17 << 10}, "most": {4, 1<<32 - 1},
	} {
		raw := []byte{byte(test.size >> 24), byte(test.size >> 16), byte(test.size >> 8), byte(test.size), test.kind, 11: 0}
		if _, _, err := tlsnet.ReadEnvelope(bytes.NewReader(raw)); !errors.Is(err, tlsnet.ErrCorrupt) {
			t.Errorf("%s: got %v, want ErrCorrupt", name, err)
		}
	}
}

// A length that nothing follows must not make the receiver allocate what it announces.
func TestMemoryFollowsWhatArrives(t *testing.T) {
	raw := append([]byte{0x01, 0xff, 0xff, 0xff, 4, 11: 0}, make([]byte, 1000)...)
	result := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			if _, _, err := tlsnet.ReadEnvelope(bytes.NewReader(raw)); err == nil {
				b.Fatal("was read")
			}
		}
	})
	if got := result.AllocedBytesPerOp(); got > 1<<20 {
		t.Errorf("%d bytes were allocated for 1012 that came", got)
	}
}

func FuzzEnvelope(f *testing.F) {
	f.Add(tlsnet.Seal(1, sampleHello.Encode()))
	f.Add(tlsnet.Seal(4, []byte("frame")))
	f.Add([]byte{0x01, 0xff, 0xff, 0xff, 4, 11: 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		k, payload, err := tlsnet.ReadEnvelope(bytes.NewReader(raw))
		if err != nil {
			return
		}
		if again := tlsnet.Seal(k, payload); !bytes.HasPrefix(raw, again) {
			t.Errorf("%x is read like %x", raw, again)
		}
	})
}

func FuzzHello(f *testing.F) {
	f.Add(sampleHello.Encode())
	f.Add(tlsnet.Hello{}.Encode())
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, err := tlsnet.DecodeHello(raw)
		if err != nil {
			return
		}
		if again := h.Encode(); !bytes.HasPrefix(raw, again) {
			t.Errorf("%x is read like %x", raw, again)
		}
	})
}

func FuzzRefusal(f *testing.F) {
	f.Add((&tlsnet.RefusedError{Reason: tlsnet.ReasonCluster, Text: "another cluster"}).Encode())
	f.Add([]byte{0, 9, '\n', 0xff})
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := tlsnet.DecodeRefusal(raw)
		if err != nil {
			return
		}
		if strings.ContainsAny(r.Error(), "\n\r\x00\x1b") {
			t.Errorf("%q would break the line of a log", r.Error())
		}
		if again, err := tlsnet.DecodeRefusal(r.Encode()); err != nil || again.Reason != r.Reason {
			t.Errorf("got %v, %v after another round, want %v", again, err, r)
		}
	})
}

func FuzzWelcome(f *testing.F) {
	f.Add(tlsnet.Welcome{Version: 1, Boot: 2}.Encode())
	f.Fuzz(func(t *testing.T, raw []byte) {
		if w, err := tlsnet.DecodeWelcome(raw); err == nil && !bytes.HasPrefix(raw, w.Encode()) {
			t.Errorf("%x is read like %v", raw, w)
		}
	})
}
