-- +goose Up
-- While a tenant is erased, a vector of it may just be joining an index that was not there yet: its table appears after near_ends has
-- looked. So it looks once more at the end of the transaction. Not before: rows go level by level, chunks and vectors after what stands
-- directly below the tenant.
create constraint trigger near_ended after delete on tenants deferrable initially deferred for each row execute function search.drop_near();

-- Nobody takes back that a key was used.
revoke delete on auth.keys from bitb_system;

-- +goose Down
grant delete on auth.keys to bitb_system;
drop trigger near_ended on tenants;
