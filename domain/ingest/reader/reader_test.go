package reader

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"bitb/domain/ingest/chunk"
	"bitb/domain/ingest/extract"
)

// misbehave are children that do what a parser that has been taken over, or taken down, might do. A child is told by the name
// of its executable which one it is, as its environment is not ours to choose.
var misbehave = map[string]func(){
	"hangs": func() { <-time.After(time.Hour) },
	"spins": func() {
		limitOrDie()
		for {
			runtime.KeepAlive(0)
		}
	},
	"overflows": func() { limitOrDie(); debug.SetMaxStack(1 << 20); overflow(0) },
	"eats-memory": func() {
		limitOrDie()
		for hoard := [][]byte{}; ; {
			hoard = append(hoard, bytes.Repeat([]byte{1}, 16<<20))
		}
	},
	"says-nothing": func() {},
	"fails":        func() { fmt.Fprintln(os.Stderr, "no good"); os.Exit(7) },
	"babbles":      func() { fmt.Println("Segmentation fault") },
	"floods": func() {
		for {
			fmt.Print(`{"text":"`, strings.Repeat("x", 1<<16), `"}`)
		}
	},
	"lies":         func() { fmt.Println(`{"progress":[5,9]}{"head":{"format":"pdf"}}{"chunk":{"text":"x"}}`) },
	"leaves-child": func() { orphan() },
	"writes":       func() { limitOrDie(); write() },
	"tells":        func() { tell() },
}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == Argument {
		if f := misbehave[filepath.Base(os.Args[0])]; f != nil {
			f()
			os.Exit(0)
		}
		os.Exit(ChildMain())
	}
	if len(os.Args) > 1 && os.Args[1] == "parent" {
		_, _ = (&Child{Executable: os.Args[2]}).Read(context.Background(), strings.NewReader("x"), os.Args[2], chunk.Options{}, nil)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func limitOrDie() {
	if err := limit(256<<20, 1, 1); err != nil {
		panic(err)
	}
}

// overflow calls itself without end.
var overflow func(int) int

func init() { overflow = func(n int) int { return overflow(n+1) + 1 } }

// orphan starts a process of its own, notes its number beside the executable, and hangs.
func orphan() {
	cmd := exec.Command("/bin/sleep", "600")
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	if err := os.WriteFile(os.Args[0]+".pid", []byte(strconv.Itoa(cmd.Process.Pid)), 0o600); err != nil {
		panic(err)
	}
	<-time.After(time.Hour)
}

func write() {
	path := os.Args[0] + ".out"
	f, err := os.Create(path)
	if err == nil && forbidWriting() == nil {
		_, err = f.WriteString("x")
	}
	fmt.Printf(`{"error":{"reason":"unsupported","what":%q}}`, fmt.Sprint(err))
}

// tell says what the child knows.
func tell() {
	env, _ := json.Marshal(os.Environ())
	fmt.Printf(`{"error":{"reason":"unsupported","what":%q}}`, env)
}

// childThat returns a Child that misbehaves, and the path of its executable.
func childThat(t *testing.T, does string) *Child {
	t.Helper()
	path := filepath.Join(t.TempDir(), does)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return &Child{Executable: path, Timeout: 20 * time.Second}
}

func TestMisbehaviour(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("limits are set on Linux")
	}
	tests := []struct {
		does           string
		timeout, stall time.Duration
		want           extract.Reason
	}{
		{"hangs", 0, 300 * time.Millisecond, extract.ReasonTimeout},
		{"hangs", 300 * time.Millisecond, 0, extract.ReasonTimeout},
		{"spins", 0, 0, extract.ReasonTimeout},
		{"overflows", 0, 0, extract.ReasonCorrupt},
		{"eats-memory", 0, 0, extract.ReasonMemory},
		{"says-nothing", 0, 0, extract.ReasonCorrupt},
		{"fails", 0, 0, extract.ReasonCorrupt},
		{"babbles", 0, 0, extract.ReasonCorrupt},
		{"floods", 0, 0, extract.ReasonCorrupt},
		{"lies", 0, 0, extract.ReasonCorrupt},
	}
	for _, tt := range tests {
		t.Run(tt.does, func(t *testing.T) {
			t.Parallel()
			c := childThat(t, tt.does)
			c.Timeout, c.Stall = or(tt.timeout, c.Timeout), tt.stall
			_, err := c.Read(t.Context(), strings.NewReader("x"), "x", chunk.Options{}, nil)
			var e *extract.Error
			if !errors.As(err, &e) || e.Reason != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestPageOfTimeout(t *testing.T) {
	c := childThat(t, "lies")
	_, err := c.Read(t.Context(), strings.NewReader("x"), "x", chunk.Options{}, nil)
	var e *extract.Error
	if !errors.As(err, &e) || e.Page != 6 {
		t.Errorf("got %v, want page 6", err)
	}
}

func TestChildSeesNoSecrets(t *testing.T) {
	t.Setenv("DATABASE_URL", "postgres://secret")
	t.Setenv("BITB_CACHE_DIR", "/tmp/x")
	_, err := childThat(t, "tells").Read(t.Context(), strings.NewReader("x"), "x", chunk.Options{}, nil)
	var e *extract.Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	var env []string
	if err := json.Unmarshal([]byte(e.What), &env); err != nil {
		t.Fatal(err)
	}
	for _, v := range env {
		name, _, _ := strings.Cut(v, "=")
		if !slices.Contains([]string{"BITB_CACHE_DIR", "TMPDIR", "GOMAXPROCS", "GOTRACEBACK", "PATH", "TESSDATA_PREFIX"}, name) {
			t.Errorf("the child sees %s", v)
		}
	}
	if !slices.Contains(env, "BITB_CACHE_DIR=/tmp/x") {
		t.Errorf("the child does not know its cache: %v", env)
	}
}

func TestChildCannotWrite(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("limits are set on Linux")
	}
	_, err := childThat(t, "writes").Read(t.Context(), strings.NewReader("x"), "x", chunk.Options{}, nil)
	var e *extract.Error
	if !errors.As(err, &e) || !strings.Contains(e.What+e.Detail, "file too large") {
		t.Errorf("got %v", err)
	}
}

// waitGone waits until a process has ended; a zombie whose parent does not care has.
func waitGone(t *testing.T, pid string) {
	t.Helper()
	for range 500 {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		runtime.Gosched()
		<-time.After(10 * time.Millisecond)
	}
	t.Errorf("process %s lives on", pid)
}

func waitForFile(t *testing.T, path string) string {
	t.Helper()
	for range 1000 {
		if data, err := os.ReadFile(path); err == nil && len(data) > 0 {
			return string(data)
		}
		<-time.After(10 * time.Millisecond)
	}
	t.Fatalf("no %s", path)
	return ""
}

func TestKillsTheWholeGroup(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("processes are watched through /proc")
	}
	c := childThat(t, "leaves-child")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := c.Read(ctx, strings.NewReader("x"), "x", chunk.Options{}, nil)
		done <- err
	}()
	pid := waitForFile(t, c.Executable+".pid")
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	waitGone(t, pid)
}

// A server that is killed leaves no reader behind.
func TestDiesWithItsParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("processes are watched through /proc")
	}
	c := childThat(t, "leaves-child")
	parent := exec.Command("/proc/self/exe", "parent", c.Executable)
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	sleeper := waitForFile(t, c.Executable+".pid")
	stat, err := os.ReadFile("/proc/" + sleeper + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	child := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+2:]))[1]
	_ = parent.Process.Kill()
	_ = parent.Wait()
	waitGone(t, child)
	_ = exec.Command("kill", "-9", sleeper).Run()
}

func TestInputFails(t *testing.T) {
	cause := errors.New("connection lost")
	_, err := new(Child).Read(t.Context(), io.MultiReader(strings.NewReader("words "), &failingReader{cause}), "a.txt", chunk.Options{}, nil)
	var e *extract.Error
	if !errors.Is(err, cause) || errors.As(err, &e) {
		t.Errorf("got %v, want the reader's own error", err)
	}
}

type failingReader struct{ err error }

func (f *failingReader) Read([]byte) (int, error) { return 0, f.err }

func TestNoExecutable(t *testing.T) {
	_, err := (&Child{Executable: "/nowhere"}).Read(t.Context(), strings.NewReader("x"), "x", chunk.Options{}, nil)
	var e *extract.Error
	if !errors.Is(err, os.ErrNotExist) || errors.As(err, &e) {
		t.Errorf("got %v", err)
	}
}

// What this process reads is what a child would.
func TestHere(t *testing.T) {
	const name = "../extract/testdata/harbour-handbook.md"
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	want, err := new(Child).Read(t.Context(), bytes.NewReader(content), name, chunk.Options{Tokens: 128}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Here{}.Read(t.Context(), bytes.NewReader(content), name, chunk.Options{Tokens: 128}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want.Memory = 0
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("a child (-) and here (+):\n%s", diff)
	}
	if _, err := (Here{}).Read(t.Context(), strings.NewReader(" "), name, chunk.Options{}, nil); err == nil {
		t.Error("nothing was read")
	}
}

const handbook = "../extract/testdata/harbour-handbook.pdf"

func TestRead(t *testing.T) {
	f, err := os.Open(handbook)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var progress []int
	r, err := new(Child).Read(t.Context(), f, "handbook.pdf", chunk.Options{Tokens: 128}, func(done, total int) {
		progress = append(progress, done)
		if total != 10 {
			t.Errorf("%d of %d", done, total)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("../extract/testdata/harbour-handbook.md")
	if err != nil {
		t.Fatal(err)
	}
	if r.Text+"\n" != string(want) || r.Format != extract.PDF || r.Pages != 10 || r.Title != "Harbour Loop Bikes: rider handbook" || len(progress) != 11 {
		t.Errorf("%s, %d pages, %q, progress %v", r.Format, r.Pages, r.Title, progress)
	}
	if p := r.Page(7); !strings.HasPrefix(p, "## 6 Riding safely") || !strings.Contains(p, "page 7 of 10") || strings.Contains(p, "page 8 of 10") {
		t.Errorf("page 7: %q", p)
	}
	if r.Page(0) != "" || r.Page(11) != "" || !strings.HasSuffix(r.Page(10), "page 10 of 10") {
		t.Errorf("page 10: %q", r.Page(10))
	}
	points := []rune(r.Text)
	for i, c := range r.Chunks {
		if !strings.HasPrefix(string(points[c.Start:]), c.Text[:20]) && !strings.HasPrefix(c.Text, "|") || c.Tokens > 256 || c.PageFrom < 1 || c.PageTo > 10 {
			t.Errorf("chunk %d: %+v", i, c)
		}
	}
	if len(r.Chunks) < 20 {
		t.Errorf("%d chunks", len(r.Chunks))
	}
}

func TestReadWithAnchors(t *testing.T) {
	o := chunk.Options{Anchors: []chunk.Anchor{{ID: "kept", Quote: "It is <free> & good for a day."}, {ID: "gone", Quote: "Nobody ever wrote this."}}}
	r, err := new(Child).Read(t.Context(), strings.NewReader("A lock opens by code. It is <free> & good for a day."), "a.txt", o, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Chunks) != 2 || r.Chunks[1].Anchor != "kept" || r.Chunks[1].Text != o.Anchors[0].Quote || r.Chunks[0].Anchor != "" {
		t.Errorf("%+v", r.Chunks)
	}
	if !slices.Equal(r.Lost, []string{"gone"}) {
		t.Errorf("lost %v", r.Lost)
	}
}

// The lines of a document are the parts of its text, one after the other, and each has a place on its page.
func TestLines(t *testing.T) {
	f, err := os.Open(handbook)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := new(Child).Read(t.Context(), f, "handbook.pdf", chunk.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	points := []rune(r.Text)
	texts := map[string]Line{}
	end, missed := 0, 0
	for _, l := range r.Lines {
		if l.Start < end || l.End <= l.Start || l.End > len(points) || l.Page < 1 || l.Page > 10 ||
			l.X0 < 0 || l.X1 <= l.X0 || l.X1 > 10000 || l.Y0 < 0 || l.Y1 <= l.Y0 || l.Y1 > 10000 {
			t.Fatalf("line %+v behind %d", l, end)
		}
		missed += len(strings.Trim(string(points[end:l.Start]), " \n#-|1234567890."))
		end = l.End
		texts[string(points[l.Start:l.End])] = l
	}
	if missed > 0 || strings.TrimSpace(string(points[end:])) != "" {
		t.Errorf("%d letters are in no line, and at the end %q", missed, string(points[end:]))
	}
	for page, text := range map[int]string{1: "Rider handbook", 2: "An identity card, a passport or a driving licence with a photograph.",
		3: "| City bicycle | 4.00 | 11.00 | 18.00 | 79.00 | 50.00 |", 10: "Harbour Loop Bikes, rider handbook 2026, page 10 of 10"} {
		if l, found := texts[text]; !found || l.Page != page {
			t.Errorf("%q is at %+v", text, l)
		}
	}
}

// Whatever it is that gets no memory says so in its own way: Go's heap, its collector, a thread, WebAssembly.
func TestMemoryLimit(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("limits are set on Linux")
	}
	data, err := os.ReadFile(handbook)
	if err != nil {
		t.Fatal(err)
	}
	for memory := int64(9 << 20); memory < 64<<20; memory += 5 << 19 {
		_, err = (&Child{Memory: memory}).Read(t.Context(), bytes.NewReader(data), "a.pdf", chunk.Options{}, nil)
		var e *extract.Error
		if !errors.As(err, &e) || e.Reason != extract.ReasonMemory {
			t.Errorf("with %d KiB: %v", memory>>10, err)
		}
	}
}

// Where the server itself may have less than a reader would, files are read within that.
func TestLowerLimits(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("limits are set on Linux")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	poor := filepath.Join(t.TempDir(), "poor")
	script := "#!/bin/sh\nulimit -d 524288\nulimit -n 24\nulimit -t 60\nexec " + self + " \"$@\"\n"
	if err := os.WriteFile(poor, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(handbook)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := (&Child{Executable: poor}).Read(t.Context(), bytes.NewReader(data), "a.pdf", chunk.Options{}, nil); err != nil || len(r.Chunks) == 0 {
		t.Errorf("%v", err)
	}
}

func zipOf(t *testing.T, parts ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw := zip.NewWriter(&buf)
	for i := 0; i < len(parts); i += 2 {
		w, err := zw.Create(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(parts[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestPrint(t *testing.T) {
	t.Setenv("PATH", "") // no tesseract
	dir := t.TempDir()
	note := filepath.Join(dir, "note.md")
	if err := os.WriteFile(note, []byte("# Hours\n\nDaily\x1b[2J.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(dir, "all.zip")
	if err := os.WriteFile(archive, zipOf(t, "de/note.md", "# Hours\n\nDaily.", "map.png", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "list.txt", "One."), 0o600); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		files  []string
		status int
		out    string
		says   string
	}{
		{"one", []string{note}, 0, "# Hours\n\nDaily[2J.\n", ""},
		{"note", []string{"../extract/testdata/mixed.pdf"}, 0, "# Delivery note 2217", "Page 2 holds only pictures, so there was no text to read. Text recognition is not installed on this server."},
		{"pictures", []string{"../extract/testdata/scanned.pdf"}, 1, "", "or have tesseract installed"},
		{"protected", []string{note, "../extract/testdata/encrypted.pdf"}, 1, "# Hours", "Could not open the file. It is protected with a password."},
		{"archive", []string{note, archive}, 1, "# Hours\n\nDaily[2J.\n\n# de/note.md\n\n# Hours\n\nDaily.\n\n# list.txt\n\nOne.\n", "all.zip: map.png: Cannot read this kind of file. It is a picture (PNG)"},
		{"pipe without a writer", []string{pipe}, 1, "", "Found no text"},
		{"missing", []string{filepath.Join(dir, "no")}, 1, "", "no such file"},
		{"none", nil, 2, "", "usage: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out, says bytes.Buffer
			status := new(Child).Print(t.Context(), tt.files, &out, &says)
			if status != tt.status || !strings.HasPrefix(out.String(), tt.out) || !strings.Contains(says.String(), tt.says) {
				t.Errorf("%d, %q, %q", status, out.String(), says.String())
			}
		})
	}
}

// hostile holds files made to harm whoever reads them. It is no part of the repository.
const hostile = "../../../../shared/data/documents/hostile/"

// TestHostile reads each hostile file as the server does: it ends in time, in bounded memory, with text that can be stored or
// with the reason that the file's maker expects; and this process does not grow by it.
func TestHostile(t *testing.T) {
	manifest, err := os.ReadFile(hostile + "manifest.jsonl")
	if err != nil {
		t.Skip("the corpus is not on this machine")
	}
	expect := []struct {
		says    string
		reasons string // allowed
		text    bool   // allowed
	}{
		{"refused as encrypted", "encrypted", false},
		{"refused as empty", "empty", false},
		{"refused as damaged", "corrupt unsupported empty", true},
		{"refused for its unpacked size", "too_large memory timeout", true},
		{"the type is decided by content", "unsupported", false},
		{"cycles are cut", "corrupt unsupported", true},
		{"text given or a clear error", "corrupt", true},
		{"", "", true},
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	t.Run("files", func(t *testing.T) {
		for line := range strings.Lines(string(manifest)) {
			var e struct{ Path, Expect string }
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			name := filepath.Base(e.Path)
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				for _, x := range expect {
					if strings.Contains(e.Expect, x.says) {
						readHostile(t, hostile+name, strings.Fields(x.reasons), x.text)
						return
					}
				}
			})
		}
	})
	grown := int64(0)
	for range 5 { // what ends late, as a finalizer does, is not held for ever
		runtime.GC()
		runtime.ReadMemStats(&after)
		if grown = int64(after.HeapAlloc) - int64(before.HeapAlloc); grown <= 5<<20 {
			return
		}
	}
	t.Errorf("this process grew by %d bytes", grown)
}

func readHostile(t *testing.T, path string, reasons []string, text bool) {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	start := time.Now()
	r, err := new(Child).read(t.Context(), request{Name: filepath.Base(path)}, f, nil)
	took := time.Since(start)
	t.Logf("%v, %d MB, %v, %d characters", took.Round(10*time.Millisecond), r.Memory>>20, err, len(r.Text))
	if took > 30*time.Second || r.Memory > 800<<20 {
		t.Error("not within its limits")
	}
	if err != nil {
		var e *extract.Error
		if !errors.As(err, &e) || !slices.Contains(reasons, string(e.Reason)) {
			t.Errorf("got %v, want one of %v", err, reasons)
		}
		return
	}
	if !text || r.Text == "" || len(r.Chunks) == 0 || !utf8.ValidString(r.Text) || strings.ContainsRune(r.Text, 0) {
		t.Errorf("read as %.100q", r.Text)
	}
	for _, c := range r.Chunks {
		if c.Tokens > chunk.Max {
			t.Errorf("chunk of %d tokens", c.Tokens)
		}
	}
}
