package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// healthy asks the process that runs beside it whether it is ready, on its metrics address. The image holds no other program that
// Docker's health checks could call.
func healthy(ctx context.Context, getenv func(string) string) error {
	listen := metricsListen(getenv)
	address := reachable(listen)
	if _, _, err := net.SplitHostPort(address); err != nil {
		return fmt.Errorf("BITB_METRICS_LISTEN is %s, so there is no address to ask", listen)
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
	if err != nil {
		return err
	}
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(io.LimitReader(r.Body, 1<<10))
		return fmt.Errorf("not ready: %s", strings.TrimSpace(string(why)))
	}
	return nil
}
