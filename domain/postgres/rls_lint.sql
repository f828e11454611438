-- Defects of tenant isolation that can be seen in the catalog. Run as the owner; one row a finding. Which findings stand, and why, is in migrate.go.
with cfg as (select 'bitb_app'::regrole as app, array['public', 'auth', 'search']::name[] as schemas,
  array['public.tenants']::text[] as exempt_no_tenant,
  $c$(tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif"))$c$::text as canon),
t as (select c.*, n.nspname, format('%I.%I',n.nspname,c.relname) fq, cfg.* from pg_class c join pg_namespace n on n.oid=c.relnamespace, cfg
  where n.nspname = any(cfg.schemas) and not exists(select 1 from pg_depend d where d.objid=c.oid and d.deptype='e')),
tab as (select * from t where relkind in ('r','p')),
tcol as (select tab.oid, a.attnum, a.attnotnull, a.atttypid from tab join pg_attribute a on a.attrelid=tab.oid and a.attname='tenant_id' and not a.attisdropped),
pol as (select p.*, tab.canon, pg_get_expr(polqual,polrelid) q, pg_get_expr(polwithcheck,polrelid) wc, tab.fq from pg_policy p join tab on tab.oid=p.polrelid)
select 'R01 app role is superuser/BYPASSRLS/CREATEROLE/REPLICATION' rule, rolname::text obj from pg_roles r, cfg where r.oid=cfg.app and (rolsuper or rolbypassrls or rolcreaterole or rolreplication)
union all select 'R02 app role owns a relation', fq from t where relowner=app
union all select 'R03 app role is a member of a role that owns tables or bypasses RLS', r.rolname::text from pg_roles r, cfg where r.oid<>cfg.app and pg_has_role(cfg.app,r.oid,'MEMBER') and (r.rolsuper or r.rolbypassrls or exists(select 1 from tab where relowner=r.oid))
union all select 'R04 RLS not enabled', fq from tab where not relrowsecurity and not fq = any(exempt_no_tenant)
union all select 'R05 RLS not FORCEd', fq from tab where relrowsecurity and not relforcerowsecurity
union all select 'R06 RLS on, no policy', fq from tab where relrowsecurity and not exists(select 1 from pg_policy p where p.polrelid=tab.oid)
union all select 'R07 no tenant_id column', fq from tab where not fq = any(exempt_no_tenant) and not exists(select 1 from tcol where tcol.oid=tab.oid)
union all select 'R08 tenant_id nullable or not uuid', tab.fq from tcol join tab using(oid) where not tcol.attnotnull or tcol.atttypid<>'uuid'::regtype
union all select 'R09 no index leading with tenant_id', tab.fq from tcol join tab using(oid) where not exists(select 1 from pg_index i where i.indrelid=tab.oid and i.indisvalid and i.indpred is null and i.indkey[0]=tcol.attnum)
union all select 'R10 policy is not the one canonical expression', fq||'.'||polname from pol where polpermissive and not fq = any((select exempt_no_tenant from cfg)::text[]) and (coalesce(q,canon) <> canon or coalesce(wc,canon) <> canon)
union all select 'R11 setting not wrapped in (select ..): evaluated per row', fq||'.'||polname from pol where (q ~ 'current_setting' and q !~* 'select [^;]*current_setting') or (wc ~ 'current_setting' and wc !~* 'select [^;]*current_setting')
union all select 'R12 setting without missing_ok/NULLIF: error instead of 0 rows after SET LOCAL', fq||'.'||polname from pol where coalesce(q,wc) ~ 'current_setting' and not (coalesce(q,wc) ~* 'nullif' and coalesce(q,wc) ~ ', true\)')
union all select 'R13 write policy without explicit WITH CHECK', fq||'.'||polname from pol where polcmd in ('*','a','w') and wc is null
union all select 'R14 always-true policy', fq||'.'||polname from pol where polpermissive and (btrim(coalesce(q,''),'() ')='true' or btrim(coalesce(wc,''),'() ')='true')
union all select 'R15 more than one permissive policy for one command (they OR together)', fq||' cmd='||cmd from (select fq, c.cmd from pol, lateral unnest(case when polcmd='*' then array['r','a','w','d'] else array[polcmd::text] end) c(cmd) where polpermissive group by fq,c.cmd having count(*)>1) x
union all select 'R16 FK between tenant tables without tenant_id in the key', conrelid::regclass||'.'||conname from pg_constraint k join tcol a on a.oid=k.conrelid join tcol b on b.oid=k.confrelid where contype='f' and not (a.attnum = any(conkey) and b.attnum = any(confkey))
union all select 'R17 unique index without tenant_id (not a uuid pk): side channel', i.indexrelid::regclass::text from pg_index i join tcol on tcol.oid=i.indrelid where i.indisunique and not tcol.attnum = any(i.indkey::int2[]) and not (i.indisprimary and i.indnkeyatts=1 and exists(select 1 from pg_attribute a where a.attrelid=i.indrelid and a.attnum=i.indkey[0] and a.atttypid='uuid'::regtype))
union all select 'R18 view readable by app without security_invoker', fq from t where relkind='v' and has_table_privilege(app,oid,'select') and not coalesce(lower(reloptions::text) ~ 'security_invoker=(true|on|1|yes)',false)
union all select 'R19 materialized view / foreign table readable by app', fq from t where relkind in ('m','f') and has_table_privilege(app,oid,'select')
union all select 'R20 partition child reachable directly by app without its own RLS', fq from t where relispartition and relkind in ('r','p') and not relrowsecurity and has_any_column_privilege(app,oid,'select')
union all select 'R21 app may TRUNCATE/REFERENCES/TRIGGER', fq from tab where has_table_privilege(app,oid,'truncate') or has_table_privilege(app,oid,'references') or has_table_privilege(app,oid,'trigger')
union all select 'R22 SECURITY DEFINER function executable by app'||case when not exists(select 1 from unnest(coalesce(p.proconfig,'{}')) x where x like 'search_path=%') then ' (search_path mutable)' else '' end, p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid=p.pronamespace, cfg where n.nspname=any(cfg.schemas) and p.prosecdef and has_function_privilege(cfg.app,p.oid,'execute') and not exists(select 1 from pg_depend d where d.objid=p.oid and d.deptype='e')
union all select 'R23 app may CREATE in a searched schema', n.nspname::text from pg_namespace n, cfg where n.nspname=any(cfg.schemas) and has_schema_privilege(cfg.app,n.oid,'create')
union all select 'R24 non-default LEAKPROOF function', p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid=p.pronamespace where proleakproof and n.nspname not in ('pg_catalog') 
union all select 'R25 sequence value readable by app (volume leak)', fq from t where case when relkind='S' then has_sequence_privilege(app,oid,'select') else false end
union all select 'R26 app can read a whole-table statistics/secret view: '||v, v from cfg, unnest(array['pg_authid','pg_shadow','pg_statistic']) v where has_table_privilege(cfg.app,('pg_catalog.'||v)::regclass,'select')
order by 1,2;
