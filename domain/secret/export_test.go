package secret

import "context"

// Resealed seals what was read anew.
func (s *Store) Resealed(ctx context.Context, name string, was, data []byte) error {
	return s.reseal(ctx, name, was, data)
}
