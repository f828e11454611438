package handlers

import (
	"context"

	"github.com/labstack/echo/v4"

	"bitb/domain"
	"bitb/domain/redis"
)

// Route is a line of the table as the test sees it.
type Route struct {
	Method, Path, Who string
	Limited, Upload   bool
}

// Table is the table.
func Table() []Route {
	var table []Route
	for _, r := range routes {
		table = append(table, Route{r.method, r.path, string(r.who), r.limit.Events > 0, r.upload})
	}
	return table
}

// EchoRoutes is what Echo answers to.
func EchoRoutes() []*echo.Route { return (&server{}).newEcho().Routes() }

// Slots hands out n slots.
func Slots(n int) func(ctx context.Context, tenant domain.ID) (leave func(), err error) {
	return newSlots(n).take
}

// PlaceOf is where a request comes from, as that is counted.
var PlaceOf = placeOf

// LocalPath is where a sign-in goes on to.
var LocalPath = localPath

// SignInEverywhere is what tries for a member's address from all places are counted by.
func SignInEverywhere(email string) (key string, l redis.Limit) {
	return "signin:member:" + hash([]byte(email)), signInEverywhere
}
