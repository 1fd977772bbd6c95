package image

import (
	"cmp"
	"fmt"
)

// Limits bound what an image, or who pretends to have one, can cost. Zero
// fields have defaults that no image of Multus comes near.
type Limits struct {
	// Manifest is the most bytes of a manifest, index or configuration.
	// Default: 4 MiB.
	Manifest int64
	// Manifests is the most entries of an index, those of indexes in it
	// included. Default: 256.
	Manifests int
	// Layers is the most layers of an image. Default: 512.
	Layers int
	// Unpacked is the most bytes that the layers of one platform may unpack
	// to. Default: 4 GiB.
	Unpacked int64
	// Ratio is how many times its size a layer may unpack to, once that is
	// more than 64 MiB. Default: 200.
	Ratio int64
	// Entries is the most files of one platform. Default: 250,000, which takes
	// up to 100 MB of memory.
	Entries int
}

// answerBytes is the most that is read of a registry's answer that is no blob.
const answerBytes = 16 << 20

// ratioFree is what any layer may unpack to, whatever its size.
const ratioFree = 64 << 20

func (l Limits) orDefault() Limits {
	return Limits{
		Manifest:  cmp.Or(l.Manifest, 4<<20),
		Manifests: cmp.Or(l.Manifests, 256),
		Layers:    cmp.Or(l.Layers, 512),
		Unpacked:  cmp.Or(l.Unpacked, 4<<30),
		Ratio:     cmp.Or(l.Ratio, 200),
		Entries:   cmp.Or(l.Entries, 250_000),
	}
}

// LimitError says that an image, or the answer of a registry, is larger than
// [Limits] allow. Reading stopped there, and nothing is known of the rest.
type LimitError struct {
	// What is too large: "layer sha256:... unpacked in bytes".
	What string
	// Limit is what is allowed.
	Limit int64
}

// Error names what is too large.
func (e *LimitError) Error() string {
	return fmt.Sprintf("%s is more than the limit of %d; raise the limit if the image is to be trusted", e.What, e.Limit)
}
