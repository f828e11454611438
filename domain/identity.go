// Package domain holds what all packages of the product share: the error type, ids, roles and the identity in a
// context. It knows nothing of HTTP, SQL or models.
package domain

import "context"

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

// Identity is who makes a request, as the session says.
type Identity struct {
	TenantID ID
	UserID   ID
	Role     Role
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
