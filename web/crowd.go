package main

import (
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// spareFiles is how many files this process needs beside its callers' connections: to the databases, the models and the readers.
const spareFiles = 160

// crowd lets in as many connections as the limit of files allows and tells the others to come again. Without it a process that has
// no file left answers nobody: it cannot even read a question, or reach the database to answer one.
type crowd struct {
	net.Listener
	most int64
	here atomic.Int64
}

func newCrowd(l net.Listener) *crowd {
	c := &crowd{Listener: l, most: 1 << 20}
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil && limit.Cur < 1<<20 {
		c.most = max(int64(limit.Cur)-spareFiles, int64(limit.Cur)/4)
	}
	return c
}

const comeAgain = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: 42\r\n\r\n" +
	"Too many are here. Try again in a moment.\n"

// Accept returns the next connection for which there is room.
func (c *crowd) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c.here.Add(1) <= c.most {
			return &guest{Conn: conn, crowd: c}, nil
		}
		c.here.Add(-1)
		turnAway(conn)
	}
}

// turnAway says so without waiting for a question.
func turnAway(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(100 * time.Millisecond))
	_, _ = io.WriteString(conn, comeAgain)
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
	_, _ = conn.Read(make([]byte, 4096)) // what lies unread would take the answer with it
}

// guest counts until it is closed.
type guest struct {
	net.Conn
	crowd *crowd
	left  atomic.Bool
}

// Close ends the connection.
func (g *guest) Close() error {
	if g.left.CompareAndSwap(false, true) {
		g.crowd.here.Add(-1)
	}
	return g.Conn.Close()
}
