-- Runs once, on an empty data directory: the application's role, which is no superuser
\getenv password DB_PASSWORD
CREATE ROLE iss_user LOGIN PASSWORD :'password';
GRANT ALL ON SCHEMA public TO iss_user;

-- Its limits; dumps and migrations run as iss_admin, without them
ALTER ROLE iss_user SET statement_timeout = '30s';
ALTER ROLE iss_user SET idle_in_transaction_session_timeout = '60s';
