-- Runs once, on an empty data directory: the application's role, which is no superuser
\getenv password DB_PASSWORD
CREATE ROLE iss_user LOGIN PASSWORD :'password';
GRANT ALL ON SCHEMA public TO iss_user;
