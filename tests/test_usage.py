"""What Rust code does with pools and connections: each snippet marks, between [| and |], the places that are found."""

from __future__ import annotations

import pytest

from polint.fact import Fact
from polint.formats import rust
from polint.formats.rust_usage import Usage
from polint.model.client import Pool
from polint.model.usage import Hold, Nesting, build_usage
from polint.source import Source
from polint.units import INFINITY

PRELUDE = "use sqlx::PgPool;\nstruct Store { pool: PgPool, replica: PgPool }\n"


def marked(text: str) -> tuple[str, list[tuple[int, str]]]:
    """The text without marks, and (line, text) of each marked place."""
    places = []
    while (start := text.find("[|")) >= 0:
        end = text.index("|]", start)
        inner = text[start + 2 : end]
        places.append((text.count("\n", 0, start) + 1, inner))
        text = text[:start] + inner + text[end + 2 :]
    return text, places


def read(text: str, path: str = "src/main.rs", **more: str) -> Usage:
    sources = [Source(path, text), *(Source(f"src/{name}.rs", other) for name, other in more.items())]
    return rust.read_crate(sources).usage


def found(items: tuple[object, ...]) -> list[tuple[int, str]]:
    return sorted((item.span.place[0], item.span.text) for item in items)  # type: ignore[attr-defined]


def body(code: str, signature: str = "async fn f(pool: &PgPool, client: Client) -> Result<(), Error>") -> str:
    return f"{PRELUDE}{signature} {{\n{code}\n}}\n"


SLEEP = "tokio::time::sleep(Duration::from_secs(1))"
SEND = "client.get(url).send()"
TX = "let mut tx = pool.begin().await?;\n"

HOLDS = {
    "request in a transaction": body(f"{TX}[|{SEND}|].await?;\ntx.commit().await?;"),
    "request chained before await": body(f"{TX}[|{SEND}|].map_err(Error::from).await?;\ntx.commit().await?;"),
    "connection unwrapped": body(f'let mut conn = pool.acquire().await.expect("a connection");\n[|{SEND}|].await?;'),
    "let else": body(f"let Ok(mut conn) = pool.acquire().await else {{ return Ok(()) }};\n[|{SEND}|].await?;"),
    "if let": body(f"if let Ok(mut conn) = pool.acquire().await {{\n[|{SEND}|].await?;\n}}\n{SEND}.await?;"),
    "match that passes it on": body(
        f"let mut conn = match pool.acquire().await {{ Ok(c) => c, Err(e) => return Err(e.into()) }};\n[|{SEND}|].await?;"
    ),
    "match that ends otherwise": body(f"let n = match pool.acquire().await {{ Ok(c) => 1, Err(e) => 2 }};\n{SEND}.await?;"),
    "lent out first": body(f"{TX}work(&mut tx).await?;\nother(&mut *tx, tx.as_mut()).await?;\n[|{SEND}|].await?;"),
    "over several lines": body(f"let mut tx = pool\n    .begin()\n    .await\n    .map_err(|e| Error(e))?;\n[|{SEND}|].await?;"),
    "the thread sleeps": body(f"{TX}[|std::thread::sleep(Duration::from_millis(200))|];\ntx.commit().await?;"),
    "a future that is not awaited": body(f"{TX}let pending = {SEND};\nlet later = {SLEEP};\ntx.commit().await?;"),
    "a message": body(f"{TX}while let Some(one) = [|rx.recv()|].await {{\nwork(&mut tx, one).await?;\n}}"),
    "a message to a channel": body(f"{TX}sender.send(1).await?;\ntx.commit().await?;"),
    "a notification": body(f"{TX}let note = listener.recv().await?;\ntx.commit().await?;"),
    "the server runs": body("let mut conn = pool.acquire().await?;\n[|axum::serve(socket, app)|].with_graceful_shutdown(stop()).await?;"),
    "ticks": body("let mut conn = pool.acquire().await?;\nloop {\n[|interval.tick()|].await;\nwork(&mut conn).await?;\n}"),
    "after commit": body(f"{TX}tx.commit().await?;\n{SEND}.await?;"),
    "after rollback": body(f"{TX}tx.rollback().await?;\n{SEND}.await?;"),
    "after drop": body(f"{TX}drop(tx);\n{SEND}.await?;"),
    "after its block": body(f"{{\n{TX}work(&mut tx).await?;\n}}\n{SEND}.await?;"),
    "moved away": body(f"{TX}work(tx).await?;\n{SEND}.await?;"),
    "put into a struct": body(f"{TX}let job = Job {{ tx }};\n{SEND}.await?;"),
    "given to a task": body(f"{TX}tokio::spawn(async move {{ work(&mut tx).await }});\n{SEND}.await?;"),
    "a method nobody knows": body(f"{TX}tx.finish().await?;\n{SEND}.await?;"),
    "assigned anew": body(f"{TX}tx = pool.begin().await?;\n{SEND}.await?;"),
    "another of that name": body(f"{TX}let tx = other();\n{SEND}.await?;"),
    "not kept at all": body(f"let _ = pool.acquire().await?;\nwork(pool.acquire().await?).await?;\n{SEND}.await?;"),
    "before it": body(f"{SEND}.await?;\n{TX}tx.commit().await?;"),
    "in another task": body(f"{TX}tokio::spawn(async move {{ {SEND}.await }});\ntx.commit().await?;"),
    "in another function": body(f"{TX}tx.commit().await") + body(f"{SEND}.await?;", "async fn g(client: Client)"),
    "one branch ends it": body(f"{TX}if done {{\ntx.commit().await?;\n}} else {{\n{SEND}.await?;\n}}\n{SEND}.await?;"),
    "a branch that returns": body(f"{TX}if bad {{\ntx.rollback().await?;\nreturn Ok(());\n}}\n[|{SEND}|].await?;\ntx.commit().await?;"),
    "a branch that breaks out": body(f"{TX}loop {{\nif bad {{\ntx.commit().await?;\nbreak;\n}}\n{SEND}.await?;\n}}\n{SEND}.await?;"),
    "a loop of its own": body(
        f"for one in all {{\n{TX}if bad {{\ntx.rollback().await?;\ncontinue;\n}}\n[|{SEND}|].await?;\n}}\n{SEND}.await?;"
    ),
    "a permit of a semaphore": body(
        f"let permit = semaphore.acquire().await?;\n{SEND}.await?;", "async fn f(semaphore: Arc<Semaphore>, pool: &PgPool)"
    ),
    "a listener's own": body(f"let mut tx = listener.begin().await?;\n{SEND}.await?;", "async fn f(listener: PgListener)"),
    "advisory lock": body(f'{TX}query("SELECT pg_advisory_xact_lock(1)").execute(&mut *tx).await?;\n{SEND}.await?;'),
    "a job that is locked": body(f'{TX}query("SELECT 1 FOR UPDATE SKIP LOCKED").fetch_one(&mut *tx).await?;\n{SEND}.await?;'),
    "an open result set": body(
        f'let mut rows = query("SELECT 1").fetch(pool);\nwhile let Some(row) = rows.try_next().await? {{\n'
        f"[|{SEND}|].await?;\n}}\n{SEND}.await?;"
    ),
    "in select": body(f"{TX}tokio::select! {{ _ = {SLEEP} => {{}}, _ = work(&mut tx) => {{}} }}"),
    "in a comment and a text": body(f'{TX}// {SEND}.await\nlet text = "{SLEEP}.await";\ntx.commit().await?;'),
    "state of axum": body(
        f"let mut tx = state.pool.begin().await?;\n[|{SEND}|].await?;", "async fn f(State(state): State<Arc<Store>>, client: Client)"
    ),
    "extractor": body(f"{TX}[|{SEND}|].await?;", "async fn f(State(pool): State<PgPool>, client: Client)"),
    "data of actix": body(f"let mut tx = pool.get_ref().begin().await?;\n[|{SEND}|].await?;", "async fn f(pool: web::Data<PgPool>)"),
    "a test": body(f"{TX}{SEND}.await?;", "#[sqlx::test]\nasync fn f(pool: PgPool, client: Client)"),
    "tests only": f"#[cfg(test)]\nmod tests {{\n{body(f'{TX}{SEND}.await?;')}}}\n",
    "tuple struct": f"struct Db(sqlx::PgPool);\nimpl Db {{\nasync fn f(&self) {{\n"
    f"let mut tx = self.0.begin().await?;\n[|{SEND}|].await?;\n}}\n}}",
    "type of its own": f"type Db = sqlx::Pool<Postgres>;\nasync fn f(db: &Db) {{\nlet mut tx = db.begin().await?;\n[|{SEND}|].await?;\n}}",
    "another database": f"use sqlx::PgPool;\nasync fn f(db: &SqlitePool) {{\nlet mut tx = db.begin().await?;\n{SEND}.await?;\n}}",
    "deadpool": "use deadpool_postgres::Pool;\nasync fn f(pool: &Pool) {\nlet client = pool.get().await?;\n"
    "[|http.get(url).send()|].await?;\n}",
    "r2d2": (
        "use diesel::{PgConnection, r2d2::{ConnectionManager, Pool}};\ntype DbPool = Pool<ConnectionManager<PgConnection>>;\n"
        "async fn f(pool: &DbPool) {\nlet mut conn = pool.get()?;\n[|http.get(url).send()|].await?;\n}"
    ),
    "r2d2 and what is made of it": (
        "use diesel::{PgConnection, r2d2::{ConnectionManager, Pool}};\ntype DbPool = Pool<ConnectionManager<PgConnection>>;\n"
        "async fn f(pool: &DbPool) {\nlet row = pool.get()?.transaction(|c| one(c))?;\nhttp.get(url).send().await?;\n}"
    ),
    "a map's get": "use deadpool_postgres::Pool;\nasync fn f(pool: &Pool, seen: Cell<u8>) {\n"
    "let one = seen.get()?;\nhttp.get(url).send().await?;\n}",
    "sea-orm": (
        "use sea_orm::{DatabaseConnection, TransactionTrait};\n// postgres\nasync fn f(pool: PgPool) {}\n"
        "async fn g(db: &DatabaseConnection) {\nlet txn = db.begin().await?;\none(&txn).await?;\n"
        "[|http.get(url).send()|].await?;\ntxn.commit().await?;\n}"
    ),
}


@pytest.mark.parametrize("name", HOLDS)
def test_waiting_while_a_connection_is_held(name: str) -> None:
    text, places = marked(HOLDS[name])
    assert found(read(text).holds) == places


def test_a_hold_says_what_is_held_and_for_how_long() -> None:
    usage = read(body(f"{TX}{SLEEP}.await;\nsleep(pause).await;\n{SEND}.await?;"))
    known, unknown, endless = (Hold(one) for one in sorted(usage.holds, key=lambda one: one.span.start))
    assert (known.held, known.name, known.work, known.lasts.value) == ("transaction", "tx", "the task sleeps", 1.0)
    assert known.notes[0].span is not None
    assert (known.notes[0].message, known.notes[0].span.text) == ("`tx` is taken here", "pool.begin()")
    assert not unknown.lasts.is_known
    assert (endless.work, endless.lasts.value) == ("a request waits for its answer", INFINITY)


SELF = "impl Store {{\nasync fn f(&self, pool: &PgPool) -> Result<(), Error> {{\n{}\n}}\n}}\n"
NESTED = {
    "a query beside a transaction": body(f"{TX}query(SQL).fetch_one([|pool|]).await?;\ntx.commit().await?;"),
    "a second transaction": body(f"{TX}let two = [|pool|].begin().await?;"),
    "a second connection, cloned": body("let one = pool.clone().acquire().await?;\nlet two = [|pool.clone()|].acquire().await?;"),
    "of a field": PRELUDE + SELF.format("let mut tx = self.pool.begin().await?;\nquery(SQL).execute(&[|self.pool|]).await?;"),
    "of another field": PRELUDE + SELF.format("let mut tx = self.pool.begin().await?;\nquery(SQL).execute(&self.replica).await?;"),
    "of the other pool": PRELUDE + SELF.format("let mut tx = self.pool.begin().await?;\nquery(SQL).execute(pool).await?;"),
    "as an executor": body(f"{TX}[|pool|].execute(SQL).await?;"),
    "behind a data": body(f"{TX}query(SQL).fetch_all(&**[|pool|]).await?;", "async fn f(pool: web::Data<PgPool>)"),
    "on the transaction": body(f"{TX}query(SQL).execute(&mut *tx).await?;\nlet mut inner = tx.begin().await?;"),
    "after commit": body(f"{TX}tx.commit().await?;\nquery(SQL).execute(pool).await?;"),
    "moved away": body(f"{TX}let job = Job::new(tx);\nquery(SQL).execute(pool).await?;"),
    "in a task": body(f"{TX}let pool = pool.clone();\ntokio::spawn(async move {{ query(SQL).execute(&pool).await }});"),
    "in a closure": body(f"{TX}let later = || async {{ query(SQL).execute(pool).await }};"),
    "another of that name": body(f"{TX}let pool = &mut *tx;\nquery(SQL).execute(pool).await?;"),
    "not awaited": body(f"{TX}let later = query(SQL).execute(pool);\ntx.commit().await?;\nlater.await?;"),
    "the pool's size": body(f"{TX}report(pool.size());\ntx.commit().await?;"),
    "for each row": body(
        "let mut rows = query(SQL).fetch(pool);\nwhile let Some(row) = rows.next().await {\nquery(SQL).execute([|pool|]).await?;\n}"
    ),
    "after the rows": body(
        "let mut rows = query(SQL).fetch(pool);\nwhile let Some(row) = rows.next().await {}\nquery(SQL).execute(pool).await?;"
    ),
    "collected rows": body("let rows = query(SQL).fetch_all(pool).await?;\nfor row in rows {\nquery(SQL).execute(pool).await?;\n}"),
    "in a function that takes one": body(f"{TX}let n = count(&[|pool|]).await?;")
    + "async fn count(db: &PgPool) -> Result<i64, Error> {\nquery(SQL).fetch_one(db).await\n}",
    "in a method of a type": body(f"{TX}User::load(1, [|pool|]).await?;")
    + "impl User {\nasync fn load(id: i64, db: impl Executor) -> Result<User, Error> {\n"
    "let one = query(SQL).fetch_one(db).await?;\nOk(one)\n}\n}",
    "in a function that may not": body(f"{TX}count(pool).await?;")
    + "async fn count(db: &PgPool) -> Result<i64, Error> {\nif let Some(n) = cached() {\nreturn Ok(n);\n}\n"
    "query(SQL).fetch_one(db).await\n}",
    "in a function where a branch does": body(f"{TX}count(pool).await?;")
    + "async fn count(db: &PgPool) -> Result<i64, Error> {\nif stale() {\nquery(SQL).fetch_one(db).await?;\n}\nOk(1)\n}",
    "in a function that passes it on": body(f"{TX}count(pool).await?;")
    + "async fn count(db: &PgPool) -> Result<i64, Error> {\nother(db).await\n}",
    "in one of two functions": body(f"{TX}count(pool).await?;")
    + "mod a { async fn count(db: &PgPool) { query(SQL).fetch_one(db).await; } }\nmod b { async fn count(db: &PgPool) {} }",
    "sea-orm": (
        "use sea_orm::{DatabaseConnection, EntityTrait};\n// postgres\nasync fn f(pool: PgPool) {}\n"
        "async fn g(db: &DatabaseConnection) {\nlet txn = db.begin().await?;\nUser::find().one([|db|]).await?;\n"
        "User::find().all(&txn).await?;\n}"
    ),
    "sea-orm on anything that connects": (
        "use sea_orm::{ConnectionTrait, EntityTrait};\n// postgres\nasync fn f(pool: PgPool) {}\n"
        "async fn g(db: &impl TransactionTrait) {\nlet txn = db.begin().await?;\nUser::find().one(db).await?;\n}"
    ),
}


@pytest.mark.parametrize("name", NESTED)
def test_a_second_connection_while_one_is_held(name: str) -> None:
    text, places = marked(NESTED[name])
    assert found(read(text).nested) == places


@pytest.mark.parametrize(
    ("size", "outcome"),
    [
        (Fact("max_connections", "written", 1), "; the pool has 1, so this can only time out"),
        (Fact("max_connections", "written", 8), "; 8 tasks that do so at once use up the pool and wait for each other"),
        (Fact("max_connections", "unknown", reason="decided at run time"), ""),
        (None, ""),
    ],
)
def test_what_nesting_comes_to_depends_on_the_size(size: Fact[int] | None, outcome: str) -> None:
    usage = read(body(f"{TX}query(SQL).fetch_one(pool).await?;"))
    pool = None
    if size is not None:
        span = usage.nested[0].span
        closed: Fact[bool] = Fact("closed", "unknown", reason="")
        version: Fact[str] = Fact("SQLx", "unknown", reason="")
        pool = Pool("pool", span, {"max_connections": size}, library="sqlx", constructor="", version=lambda: version, closed=closed)
    assert Nesting(usage.nested[0], pool).outcome == outcome


LEAKS = {
    "forgotten": body("let conn = pool.acquire().await?;\n[|std::mem::forget(conn)|];"),
    "forgotten, imported": body("let tx = pool.begin().await?;\n[|forget(tx)|];"),
    "forgotten at once": body("[|mem::forget(pool.acquire().await?)|];"),
    "something else": body("let conn = connect().await?;\nmem::forget(conn);\nmem::forget(guard);"),
    "leaked": body("let conn = [|pool.acquire().await?.leak()|];\nlet two = pool.acquire().await?;\nlet two = [|two.leak()|];"),
    "a text that is leaked": body('let name = String::from("a").leak();\nlet all = Box::leak(Box::new(pool.clone()));'),
    "detached for one use": body("query(SQL).execute(&mut [|pool.acquire().await?.detach()|]).await?;"),
    "detached to live apart": body("let mut conn = pool.acquire().await?.detach();\nwork(&mut conn).await?;"),
    "detached to be closed": body("let conn = pool.acquire().await?;\nconn.detach().close().await?;"),
    "detached to take a lock along": body('query("SELECT pg_advisory_lock(1)").execute(&mut pool.acquire().await?.detach()).await?;'),
    "another thing detached": body("let child = thread.detach();\nuse_it(&mut task.detach());"),
    "a static": PRELUDE + "static CONN: [|Mutex<Option<PoolConnection<Postgres>>>|] = Mutex::new(None);",
    "a static pool": PRELUDE + "static POOL: OnceCell<PgPool> = OnceCell::new();",
    "another database's": PRELUDE + "static CONN: Mutex<Option<PoolConnection<Sqlite>>> = Mutex::new(None);",
    "a struct that may be gone soon": PRELUDE + "struct Work { conn: PoolConnection<Postgres> }",
    "a test": body("mem::forget(pool.acquire().await?);", "#[tokio::test]\nasync fn f(pool: PgPool)"),
}


@pytest.mark.parametrize("name", LEAKS)
def test_connections_that_never_come_back(name: str) -> None:
    text, places = marked(LEAKS[name])
    assert found(read(text).leaks) == places


SHARED = {
    "a field": "use sqlx::PgConnection;\nstruct App { db: [|Arc<Mutex<PgConnection>>|] }",
    "a field of a path": "struct App { db: [|Arc<tokio::sync::Mutex<diesel::PgConnection>>|] }",
    "an alias": "type Db = [|Arc<RwLock<Option<PgConnection>>>|];",
    "a static": "use sqlx::PgConnection;\nstatic DB: [|OnceCell<Mutex<PgConnection>>|] = OnceCell::new();",
    "state without an Arc": "struct AppState { conn: [|Mutex<PgConnection>|] }",
    "a handler's state": "fn f(State(db): [|State<Arc<Mutex<PgConnection>>>|]) {}",
    "a tuple struct": "struct Db([|Arc<Mutex<AsyncPgConnection>>|]);",
    "only ever a parameter": "fn f(db: [|Arc<Mutex<PgConnection>>|]) {}\nfn g(db: &Arc<Mutex<PgConnection>>) {}",
    "a parameter and its declaration": "fn f(db: Arc<Mutex<PgConnection>>) {}\nstruct App { db: [|Arc<Mutex<PgConnection>>|] }",
    "a lock of one owner": "struct Lease { conn: Mutex<PgConnection> }",
    "a pool": "struct App { db: Arc<Mutex<Pool<ConnectionManager<PgConnection>>>> }",
    "many of them": "struct App { db: Arc<Mutex<Vec<PgConnection>>> }",
    "not shared": "struct App { db: Arc<PgConnection> }\nfn f(conn: &mut PgConnection) {}",
    "another's connection": "struct App { db: Arc<Mutex<SqliteConnection>> }\nfn f(conn: Option<PgConnection>) {}",
    "tests": "#[cfg(test)]\nstruct App { db: Arc<Mutex<PgConnection>> }",
    "a comment": "// Arc<Mutex<PgConnection>>\nfn f() {}",
    "holds a lock": "struct App { db: Arc<Mutex<PgConnection>> }\n// pg_advisory_lock",
}


@pytest.mark.parametrize("name", SHARED)
def test_one_connection_for_all(name: str) -> None:
    text, places = marked(SHARED[name])
    assert found(read(text).shared) == places


DIFFERENCES = {
    "directly": body("let n = [|pool.size() - pool.num_idle()|];"),
    "the other way round, in brackets": body("let n = [|(pool.num_idle()) - (pool.size())|] + 1;"),
    "over a field": PRELUDE + SELF.format("Stats {{ used: [|self.pool.size() - self.pool.num_idle()|] }}"),
    "in a macro": body('json!({ "used": [|pool.size() - pool.num_idle()|] });'),
    "from variables": body("let size = pool.size();\nlet idle = pool.num_idle();\nlet n = ([|size - idle|]) as f64;"),
    "cast in a variable": body("let size = pool.size();\nlet idle = pool.num_idle() as u32;\nlet n = size - idle;"),
    "another of that name": body("let idle = pool.num_idle();\nlet idle = idle as u32;\nlet n = pool.size() - idle;"),
    "cast": body("let a = pool.size() - pool.num_idle() as u32;\nlet b = pool.size() as usize - pool.num_idle();"),
    "converted": body("let a = pool.size() - u32::try_from(pool.num_idle()).unwrap();\nlet b = pool.size().saturating_sub(1);"),
    "compared": body("let full = pool.num_idle() - 1;"),
    "of a type that has its own": body("let n = pool.size() - pool.num_idle();") + "impl Own { fn num_idle(&self) -> u32 { 1 } }",
    "text": body('let text = "pool.size() - pool.num_idle()";'),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_size_minus_idle(name: str) -> None:
    text, places = marked(DIFFERENCES[name])
    assert found(read(text).differences) == places


ENV = 'std::env::var("DATABASE_URL").unwrap()'
CONNECT = f"[|PgPool::connect(&{ENV})|]"
REBUILT = {
    "attribute": f'#[get("/")]\nasync fn list() {{\nlet pool = {CONNECT}.await;\n}}',
    "attribute of a path": f'#[actix_web::post("/")]\nasync fn list() {{\nlet pool = {CONNECT}.await;\n}}',
    "an attribute that is no route": f"#[instrument(skip_all)]\nasync fn list() {{\nlet pool = PgPool::connect(&{ENV}).await;\n}}",
    "routed": f'async fn list() {{\nlet pool = {CONNECT}.await;\n}}\nfn app() {{\nRouter::new().route("/", get(list));\n}}',
    "extractor": f"use axum::Json;\nasync fn add(Json(new): Json<New>) {{\nlet pool = {CONNECT}.await;\n}}",
    "a path of files is no extractor": f"use axum::Json;\nasync fn load(file: &Path) {{\nlet pool = PgPool::connect(&{ENV}).await;\n}}",
    "an extractor of its own": f"impl FromRequestParts<S> for Db {{\nasync fn from_request_parts() {{\nlet pool = {CONNECT}.await;\n}}\n}}",
    "over a helper": f'async fn db() -> PgPool {{\n{CONNECT}.await.unwrap()\n}}\n#[get("/")]\n'
    f"async fn list() {{\nlet pool = db().await;\n}}",
    "by options": f'#[get("/")]\nasync fn list() {{\nlet pool = [|PgPoolOptions::new().connect(&{ENV})|].await;\n}}',
    "a scheduled job": f'fn plan() {{\nJob::new_async("0 * * * * *", |_, _| Box::pin(async move {{\nlet pool = {CONNECT}.await;\n}}));\n}}',
    "in main": f"async fn main() {{\nlet pool = PgPool::connect(&{ENV}).await;\n}}",
    "kept in a cell": f'#[get("/")]\nasync fn list() {{\nlet pool = POOL.get_or_init(|| PgPool::connect(&{ENV})).await;\n}}',
    "kept in a map": f'#[get("/")]\nasync fn list() {{\nlet pool = PgPool::connect(&{ENV}).await;\npools.insert(1, pool);\n}}',
    "only when there is none": f'#[get("/")]\nasync fn list() {{\nif missing {{\nlet pool = PgPool::connect(&{ENV}).await;\n}}\n}}',
    "to where the user says": '#[post("/")]\nasync fn check(form: Json<Check>) {\nlet pool = PgPool::connect(&form.url).await;\n}',
    "to where a row says": '#[post("/")]\nasync fn check(id: Path<i64>) {\nlet tenant = load(id);\n'
    "let pool = PgPool::connect(&tenant.url).await;\n}",
    "where the caller says": (
        'async fn db(url: &str) -> PgPool {\nPgPool::connect(url).await.unwrap()\n}\n#[get("/")]\n'
        "async fn list(form: Json<Check>) {\ndb(&form.url).await;\n}"
    ),
    "a loop": 'async fn main() {\nloop {\nlet pool = [|PgPool::connect("postgres://db/app")|].await?;\nwork(&pool).await?;\n}\n}',
    "a loop that keeps it": "async fn main() {\nfor n in 0..3 {\n"
    'let pool = PgPool::connect("postgres://db/app").await?;\nall.push(pool);\n}\n}',
    "a loop over databases": "async fn main() {\nfor url in urls {\nlet pool = PgPool::connect(&url).await?;\nwork(&pool).await?;\n}\n}",
    "a loop over tenants": (
        "async fn main() {\nfor tenant in all {\nlet url = tenant.url();\n"
        "let pool = PgPool::connect(&url).await?;\nwork(&pool).await?;\n}\n}"
    ),
    "tried again": 'async fn main() {\nlet pool = loop {\nmatch PgPool::connect("postgres://db/app").await {\n'
    "Ok(pool) => break pool,\nErr(_) => wait().await,\n}\n};\n}",
    "tried again, and returned": (
        'async fn db() -> PgPool {\nloop {\nif let Ok(pool) = PgPool::connect("postgres://db/app").await {\n'
        "return pool;\n}\nwait().await;\n}\n}"
    ),
    "a test": f'#[cfg(test)]\nmod tests {{\n#[get("/")]\nasync fn list() {{\nlet pool = PgPool::connect(&{ENV}).await;\n}}\n}}',
}


@pytest.mark.parametrize("name", REBUILT)
def test_pools_that_are_built_again_and_again(name: str) -> None:
    text, places = marked("use sqlx::{PgPool, postgres::PgPoolOptions};\n" + REBUILT[name])
    assert found(read(text).rebuilt) == places


@pytest.mark.parametrize("path", ["tests/api.rs", "benches/load.rs", "examples/demo.rs", "src/tests/db.rs", "crates/x/tests/it/main.rs"])
def test_tests_benchmarks_and_examples_are_left_alone(path: str) -> None:
    text, places = marked(HOLDS["request in a transaction"])
    assert places
    assert read(text, path) == Usage()


def test_handlers_in_other_files_of_the_crate_are_reached() -> None:
    text, places = marked(
        f"use crate::Store;\nasync fn f(State(store): State<Store>, client: Client) {{\n"
        f"let mut tx = store.pool.begin().await?;\n[|{SEND}|].await?;\n}}"
    )
    usage = read(PRELUDE, handlers=text)
    assert found(usage.holds) == places
    assert usage.holds[0].span.path == "src/handlers.rs"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fn f( {{{ pool.begin().await; sleep(",
        body(f"{TX}[[[ {SEND}.await; }} tx.commit("),
        "async fn f(pool: &PgPool) { let x = pool.acquire().await?; std::mem::forget(",
        "static X: Mutex<PgConnection",
        "let n = pool.size() - pool.num_idle()",
        "use sqlx::PgPool; fn f() { pool.num_idle() - }",
        "\ufeffuse sqlx::PgPool;\r\nasync fn f(pool: &PgPool) {\r\n",
    ],
)
def test_broken_code_raises_nothing(text: str) -> None:
    assert isinstance(read(text), Usage)


def test_deep_and_long_code_is_read_in_time() -> None:
    deep = body(TX + "{" * 3000 + f"{SEND}.await?;" + "}" * 3000)
    assert isinstance(read(deep), Usage)
    wide = body("".join(f"let mut c{n} = pool.acquire().await?;\nwork(&mut c{n}).await?;\n" for n in range(300)))
    assert len(read(wide).nested) == 299


def test_nothing_is_built_for_crates_that_were_not_read() -> None:
    class NoCrates:
        def under(self, folders: tuple[str, ...]) -> list[object]:
            return []

    build_usage(NoCrates(), None)  # type: ignore[arg-type]
