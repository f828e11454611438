package extract

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/klippa-app/go-pdfium"
	"github.com/klippa-app/go-pdfium/webassembly"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// pdfMemory is how much PDFium may take for one file, in pages of 64 kB: 256 MB.
const pdfMemory = 4096

// pdfiumPool is compiled once for a process: 3 s, or 0.06 s when a compilation cache holds the result.
var pdfiumPool = sync.OnceValues(func() (pdfium.Pool, error) {
	config := wazero.NewRuntimeConfig().
		WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesExceptionHandling). // PDFium's setjmp needs them
		WithMemoryLimitPages(pdfMemory)
	if cache, err := compilationCache(); err == nil {
		config = config.WithCompilationCache(cache)
	}
	return webassembly.Init(webassembly.Config{
		Context:       experimental.WithMemoryAllocator(context.Background(), experimental.MemoryAllocatorFunc(allocate)),
		MaxTotal:      pdfInstances,
		FSConfig:      wazero.NewFSConfig(), // the default would mount / into the sandbox
		RuntimeConfig: config,
		Stdout:        io.Discard,
		Stderr:        io.Discard,
	})
})

// Warm compiles what reading a PDF needs, and leaves the result in the cache directory for later processes.
func Warm() error {
	_, err := pdfiumPool()
	return err
}

// compilationCache opens the directory BITB_CACHE_DIR, or one of our own below the temporary one. Compiled code is run as it is
// found, so a directory that others may write to is not used.
func compilationCache() (wazero.CompilationCache, error) {
	dir := os.Getenv("BITB_CACHE_DIR")
	if dir == "" {
		dir = filepath.Join(os.TempDir(), fmt.Sprintf("bitb-cache-%d", os.Getuid()))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() || info.Mode().Perm()&0o022 != 0 || !ownedByUs(info) {
		return nil, fmt.Errorf("%s is not ours alone", dir)
	}
	return wazero.NewCompilationCacheWithDir(dir)
}

// sandbox is one PDFium with one file open. Its functions are called as they are exported: go-pdfium's requests and responses
// take locks, look-ups and allocations for each of the thousands of characters of a page, and half of the time in all.
//
// When PDFium runs out of the memory it is allowed, or hits a check of its own, the sandbox is of no use any more: err is set,
// and calls do nothing and return 0.
type sandbox struct {
	instance pdfium.Pdfium
	exports  exporter
	memory   *linearMemory
	stack    [12]uint64
	scratch  uint64 // address of scratchSize bytes for results
	document uint64
	err      error
}

const scratchSize = 32 << 10

// exporter hands out the functions that PDFium exports.
type exporter interface {
	Fn(name string) api.Function
}

// memoryError says that PDFium stopped, which it does for want of memory, at a page counted from 1, or 0.
func memoryError(err error, page int) *Error {
	return &Error{Reason: ReasonMemory, Page: page, Detail: firstLine(err.Error())}
}

// openPDF starts a PDFium and opens a file in it.
func openPDF(data []byte) (*sandbox, error) {
	pool, err := pdfiumPool()
	if err != nil {
		return nil, fmt.Errorf("start pdfium: %w", err)
	}
	s, err := newSandbox(pool)
	if err != nil {
		return nil, fmt.Errorf("start pdfium: %w", err)
	}
	if err := s.open(data); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// starting keeps instances from being made at the same time, so that each finds its own memory.
var starting sync.Mutex

func newSandbox(pool pdfium.Pool) (s *sandbox, err error) {
	starting.Lock()
	defer starting.Unlock()
	defer func() {
		if p := recover(); p != nil { // wazero's, when it gets no memory to begin with
			err = &Error{Reason: ReasonMemory, Detail: fmt.Sprint(p)}
		}
	}()
	instance, err := pool.GetInstance(30 * time.Second)
	if err != nil {
		return nil, err
	}
	s = &sandbox{instance: instance, memory: lastMemory}
	var ok bool
	if s.exports, ok = instance.GetImplementation().(exporter); !ok {
		s.close()
		return nil, errors.New("go-pdfium does not hand out what its module exports")
	}
	return s, nil
}

// close frees the memory of the sandbox. Calls do nothing from then on.
func (s *sandbox) close() {
	if s.instance != nil {
		_ = s.instance.Close()
		s.instance, s.err = nil, errors.Join(s.err, errors.New("closed"))
	}
}

// Errors of FPDF_GetLastError, fpdfview.h.
const (
	pdfErrPassword = 4
	pdfErrSecurity = 5
)

func (s *sandbox) open(data []byte) error {
	s.scratch = s.call("malloc", scratchSize)
	file := s.call("malloc", uint64(len(data)))
	if s.scratch == 0 || file == 0 {
		return &Error{Reason: ReasonMemory, Detail: "no memory for the file"}
	}
	copy(s.bytes(file, len(data)), data)
	s.document = s.call("FPDF_LoadMemDocument", file, uint64(len(data)), 0)
	if s.err != nil {
		return memoryError(s.err, 0)
	}
	if s.document == 0 {
		code := uint32(s.call("FPDF_GetLastError"))
		err := fmt.Errorf("pdfium error %d", code)
		if code == pdfErrPassword || code == pdfErrSecurity {
			return &Error{Reason: ReasonEncrypted, Detail: err.Error()}
		}
		return err
	}
	return nil
}

// call calls a function of PDFium. Results that are no number of 32 bits come as api.EncodeF32 and the like make them.
func (s *sandbox) call(name string, params ...uint64) uint64 {
	return s.invoke(s.exports.Fn(name), params...)
}

func (s *sandbox) invoke(f api.Function, params ...uint64) uint64 {
	if s.err == nil && f == nil {
		s.err = errors.New("pdfium stopped: it lacks a function")
	}
	if s.err != nil {
		return 0
	}
	copy(s.stack[:], params)
	if err := f.CallWithStack(context.Background(), s.stack[:]); err != nil {
		s.err = fmt.Errorf("pdfium stopped: %w", err)
		return 0
	}
	return s.stack[0]
}

// is calls a function whose result is an FPDF_BOOL.
func (s *sandbox) is(name string, params ...uint64) bool { return uint32(s.call(name, params...)) != 0 }

// count calls a function whose result is an int, which is negative when it fails.
func (s *sandbox) count(name string, params ...uint64) int {
	return max(int(int32(s.call(name, params...))), 0)
}

// bytes returns n bytes of PDFium's memory. They are PDFium's: the next call may change them.
func (s *sandbox) bytes(at uint64, n int) []byte {
	buf := s.memory.buf
	if n < 0 || at > uint64(len(buf)) || uint64(n) > uint64(len(buf))-at {
		s.err = errors.New("pdfium stopped: an address out of its memory")
		return make([]byte, max(n, 0))
	}
	return buf[at : at+uint64(n) : at+uint64(n)]
}

func (s *sandbox) uint32At(at uint64) uint32 { return binary.LittleEndian.Uint32(s.bytes(at, 4)) }

func (s *sandbox) float64At(at uint64) float64 {
	return math.Float64frombits(binary.LittleEndian.Uint64(s.bytes(at, 8)))
}

// floats reads numbers of 32 bits.
func (s *sandbox) floats(at uint64, out []float64) {
	b := s.bytes(at, 4*len(out))
	for i := range out {
		out[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
	}
}

// blob calls a function that takes a buffer and its size as the last two parameters and returns the size it needs. What does
// not fit into the scratch memory is left out.
func (s *sandbox) blob(name string, params ...uint64) []byte {
	n := s.count(name, append(slices.Clip(params), s.scratch, scratchSize)...)
	if n > scratchSize || s.err != nil {
		return nil
	}
	return s.bytes(s.scratch, n)
}

// linearMemory is the memory of a sandbox. It has its place from the beginning and does not move when it grows: a copy
// would need twice the room for a moment, and the process is not allowed that much.
type linearMemory struct {
	reserved []byte
	buf      []byte
}

// lastMemory is the memory of the instance made last.
var lastMemory *linearMemory

func allocate(_, most uint64) experimental.LinearMemory {
	lastMemory = &linearMemory{reserved: reserve(int(most))}
	return lastMemory
}

// Reallocate returns nil when there is no more memory, which PDFium is told.
func (m *linearMemory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.reserved)) || !commit(m.reserved[len(m.buf):size]) {
		return nil
	}
	m.buf = m.reserved[:size]
	return m.buf
}

func (m *linearMemory) Free() {
	release(m.reserved)
	m.reserved, m.buf = nil, nil
}
