package reader

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"bitb/domain/ingest/extract"
)

func self() (string, error) { return "/proc/self/exe", nil }

// isolate puts the child into a process group of its own, which is killed as a whole, and ties it to this process's life.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// exitExpired is the exit status of a child that has used up its processor time.
const exitExpired = 9

// limit sets the limits of this process; allow may later give it up to mostSeconds of processor time. RLIMIT_DATA counts private
// writable memory: RLIMIT_AS would count the address space that Go and wazero only reserve.
func limit(memory int64, seconds, mostSeconds uint64) error {
	expired := make(chan os.Signal, 1)
	signal.Notify(expired, unix.SIGXCPU)
	go func() {
		<-expired
		os.Exit(exitExpired)
	}()
	for _, l := range []struct {
		resource int
		cur, max uint64
	}{
		{unix.RLIMIT_DATA, uint64(memory), uint64(memory)},
		{unix.RLIMIT_CPU, seconds, mostSeconds + 5},
		{unix.RLIMIT_CORE, 0, 0},
		{unix.RLIMIT_NOFILE, 32, 32},
	} {
		var now unix.Rlimit // who runs the server may have set it lower, and it cannot be raised
		if err := unix.Getrlimit(l.resource, &now); err != nil {
			return err
		}
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: min(l.cur, now.Max), Max: min(l.max, now.Max)}); err != nil {
			return err
		}
	}
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

// allow sets how many seconds of processor time this process may use.
func allow(seconds uint64) error {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CPU, &l); err != nil {
		return err
	}
	l.Cur = min(seconds, l.Max)
	return unix.Setrlimit(unix.RLIMIT_CPU, &l)
}

// dieTogether ties a program's life to the thread that starts it, and that to the caller until unlock.
func dieTogether(cmd *exec.Cmd) (unlock func()) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread()
	return runtime.UnlockOSThread
}

// forbidWriting lets no file grow from now on; pipes are not files.
func forbidWriting() error {
	return unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{})
}

// peakMemory returns the largest resident size that this process had since it began. Getrusage would include that of the
// process it was forked from.
func peakMemory() int64 {
	status, _ := os.ReadFile("/proc/self/status")
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	var kilobytes int64
	if _, err := fmt.Sscan(peak, &kilobytes); err != nil {
		return 0
	}
	return kilobytes << 10
}

// collectorFailed is how a Go program dies whose garbage collector was refused memory for its queue of spans: it does not look at
// what it got (Go 1.26, runtime.spanQueue). A nil pointer in Go code elsewhere is a panic, which begins otherwise.
var collectorFailed = regexp.MustCompile(`(?m)^SIGSEGV: segmentation violation\nPC=.* addr=0x0$`)

// reasonOf says why a child ended that did not say so itself, or "" when it is damage in the file.
func reasonOf(exit *exec.ExitError, stderr string) extract.Reason {
	status, _ := exit.Sys().(syscall.WaitStatus)
	switch {
	case status.Exited() && status.ExitStatus() == exitExpired:
		return extract.ReasonTimeout
	case status.Signaled() && status.Signal() == syscall.SIGKILL: // by the kernel, which had no memory left for it
		return extract.ReasonMemory
	case strings.Contains(stderr, "out of memory"), strings.Contains(stderr, cannotAllocate),
		strings.Contains(stderr, "pthread_create failed"), // there was none for another stack
		collectorFailed.MatchString(stderr):
		return extract.ReasonMemory
	}
	return ""
}
