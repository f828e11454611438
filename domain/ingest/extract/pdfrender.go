package extract

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"math"
)

// Bounds of a picture of a page, in pixels. They hold for every page, however long and narrow.
const (
	MinPictureWidth  = 100
	MaxPictureWidth  = 2000
	maxPictureHeight = 8000
	maxPicture       = 8 << 20
)

// RenderPage draws page n of a PDF, counted from 1, in a width that is brought within bounds; a page that would be too high or
// too large becomes narrower. The picture is a PNG, or a JPEG where that is much smaller, as for photographs; mediaType says
// which. The error is always an *Error.
func RenderPage(data []byte, n, width int) (picture []byte, mediaType string, err error) {
	format, err := Detect(bytes.NewReader(data), int64(len(data)), "")
	if err != nil {
		return nil, "", err
	}
	if format != PDF {
		return nil, "", &Error{Reason: ReasonUnsupported, What: "a file whose pages cannot be drawn"}
	}
	s, err := openPDF(data)
	if err != nil {
		return nil, "", asError(err)
	}
	defer s.close()
	if total := s.count("FPDF_GetPageCount", s.document); n < 1 || n > total {
		return nil, "", &Error{Reason: ReasonNoPage, Page: n, Detail: fmt.Sprintf("of %d pages", total)}
	}
	drawn, err := s.render(n-1, bitmapRGBA, func(points float64) float64 {
		return float64(min(max(width, MinPictureWidth), MaxPictureWidth)) / points
	})
	if err != nil {
		e := asError(err)
		e.Page = n
		return nil, "", e
	}
	picture, mediaType, err = encodePicture(&image.RGBA{Pix: drawn.pixels, Stride: drawn.stride, Rect: image.Rectangle{Max: drawn.size}})
	if err != nil {
		return nil, "", asError(err)
	}
	return picture, mediaType, nil
}

// Formats of a bitmap, fpdfview.h.
const (
	bitmapGray = 1
	bitmapRGBA = 4
)

// raster is a page as pixels, in rows of stride bytes.
type raster struct {
	pixels []byte
	stride int
	size   image.Point
	scale  float64 // pixels for a point
}

// render draws a page, counted from 0, in a format. scale returns the pixels that are wanted for a point of a page of a width; a
// page that would be too high or too large gets fewer.
func (s *sandbox) render(i int, format uint64, scale func(width float64) float64) (*raster, error) {
	page := s.loadPage(i, nil)
	if page == 0 {
		return nil, s.failure("page cannot be loaded")
	}
	defer s.call("FPDF_ClosePage", page)
	var size [2]float64
	if !s.is("FPDF_GetPageSizeByIndexF", s.document, uint64(i), s.scratch) {
		return nil, s.failure("page has no size")
	}
	s.floats(s.scratch, size[:])
	if !(size[0] > 0 && size[1] > 0 && max(size[0], size[1]) < maxCoordinate) {
		return nil, s.failure("page has no size")
	}
	perPoint := min(scale(size[0]), maxPictureHeight/size[1], math.Sqrt(maxPicture/(size[0]*size[1])))
	width, height := max(int(size[0]*perPoint), 1), max(int(size[1]*perPoint), 1)
	if width*height > maxPicture+MaxPictureWidth+maxPictureHeight { // of rounding
		return nil, s.failure("page is too large")
	}
	bitmap := s.call("FPDFBitmap_CreateEx", uint64(width), uint64(height), format, 0, 0)
	if bitmap == 0 {
		return nil, &Error{Reason: ReasonMemory, Detail: "no memory for a picture"}
	}
	defer s.call("FPDFBitmap_Destroy", bitmap)
	const annotations, gray, reverse, white = 0x01, 0x08, 0x10, 0xffffffff
	flags := uint64(annotations | reverse)
	if format == bitmapGray {
		flags = annotations | gray
	}
	s.call("FPDFBitmap_FillRect", bitmap, 0, 0, uint64(width), uint64(height), white)
	s.call("FPDF_RenderPageBitmap", bitmap, page, 0, 0, uint64(width), uint64(height), 0, flags)
	stride := s.count("FPDFBitmap_GetStride", bitmap)
	pixels := bytes.Clone(s.bytes(s.call("FPDFBitmap_GetBuffer", bitmap), stride*height))
	if s.err != nil {
		return nil, s.failure("")
	}
	return &raster{pixels: pixels, stride: stride, size: image.Pt(width, height), scale: perPoint}, nil
}

// failure returns why PDFium stopped, or what was wrong instead.
func (s *sandbox) failure(what string) error {
	if s.err != nil {
		return memoryError(s.err, 0)
	}
	return &Error{Reason: ReasonCorrupt, Detail: what}
}

// largePNG is the size, in bytes, from which on a picture may be a photograph.
const largePNG = 200 << 10

func encodePicture(img *image.RGBA) ([]byte, string, error) {
	plain := withoutColour(img)
	var out bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := encoder.Encode(&out, plain); err != nil {
		return nil, "", err
	}
	if out.Len() < largePNG {
		return out.Bytes(), "image/png", nil
	}
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, plain, &jpeg.Options{Quality: 80}); err != nil {
		return nil, "", err
	}
	if photo.Len()*2 > out.Len() {
		return out.Bytes(), "image/png", nil
	}
	return photo.Bytes(), "image/jpeg", nil
}

// withoutColour returns a picture in shades of grey, as most pages are, or the picture itself without its transparency.
func withoutColour(img *image.RGBA) image.Image {
	b := img.Rect
	grey := image.NewGray(b)
	for y := range b.Dy() {
		row := img.Pix[y*img.Stride : y*img.Stride+4*b.Dx()]
		shades := grey.Pix[y*grey.Stride:]
		for x := range b.Dx() {
			p := row[4*x : 4*x+4 : 4*x+4]
			if p[0] != p[1] || p[1] != p[2] {
				return opaque(img)
			}
			shades[x] = p[0]
		}
	}
	return grey
}

func opaque(img *image.RGBA) image.Image {
	for i := 3; i < len(img.Pix); i += 4 {
		img.Pix[i] = 0xff
	}
	return img
}
