// Package domain holds what all packages of the product share: the error type, ids, roles and the identity in a
// context. It knows nothing of HTTP, SQL or models.
package domain

import (
	"context"
	"time"
)

// Role is what a member may do in a tenant. Each role may do what the roles below it may.
type Role string

// The roles, from the least.
const (
	Viewer Role = "viewer" // reads
	Editor Role = "editor" // uploads, deletes, asks
	Admin  Role = "admin"  // sets up bots
	Owner  Role = "owner"  // everything, one at least in each tenant
)

var roleRank = map[Role]int{Viewer: 1, Editor: 2, Admin: 3, Owner: 4}

// Allows reports whether a member with role r may do what needs at least the role need. An unknown role allows nothing.
func (r Role) Allows(need Role) bool { return roleRank[r] > 0 && roleRank[r] >= roleRank[need] }

// Identity is who makes a request, as the session says: a member, or a staff member.
type Identity struct {
	TenantID ID
	UserID   ID
	Role     Role

	StaffID ID        // zero: a member. Staff belong to no tenant; TenantID is then the one their case is about
	CaseID  ID        // zero: a staff member who looks into no tenant
	Until   time.Time // when the case ends
}

// InCase reports whether a staff member looks into a tenant: whatever is done then is done in the database as a role that may
// only read.
func (i Identity) InCase() bool { return i.CaseID != ID{} }

// InCase reports whether the request is made by a staff member who looks into a tenant.
func InCase(ctx context.Context) bool {
	who, _ := IdentityFrom(ctx)
	return who.InCase()
}

type identityKey struct{}

// WithIdentity returns a context that carries who.
func WithIdentity(ctx context.Context, who Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, who)
}

// IdentityFrom returns who makes the request; ok is false for nobody.
func IdentityFrom(ctx context.Context) (who Identity, ok bool) {
	who, ok = ctx.Value(identityKey{}).(Identity)
	return who, ok
}
