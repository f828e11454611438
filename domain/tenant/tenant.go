// Package tenant owns customer organisations, their members and how they sign in: tenants, users, sign-ins and sessions; and the
// support staff who belong to none, with the cases in which they look into one and the log of what they looked at.
// What a member may do is domain.Role; which route needs which role stands in handlers.
package tenant

import (
	"time"

	"bitb/domain"
)

// Tenant is a customer organisation.
type Tenant struct {
	ID        domain.ID
	Name      string
	CreatedAt time.Time
}

// User is a person who signs in. A user belongs to one tenant.
type User struct {
	ID    domain.ID
	Email string
	Name  string
	Role  domain.Role
}

// Account is a user in their tenant: what a session stands for.
type Account struct {
	Tenant Tenant
	User   User
	Epoch  int // a session made under another number is over
}

// Identity is the account as the request context carries it.
func (a Account) Identity() domain.Identity {
	return domain.Identity{TenantID: a.Tenant.ID, UserID: a.User.ID, Role: a.User.Role}
}
