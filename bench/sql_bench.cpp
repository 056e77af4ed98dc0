// What the database does by itself, without us: sql_bench rows DATABASE COUNT BATCH
//
// Inserts COUNT rows like those of the journal, BATCH in a transaction, by the plainest fast means: on SQLite a
// prepared statement, on PostgreSQL one statement over arrays. The same durability settings as the store's.

#include <libpq-fe.h>
#include <sqlite3.h>

#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

#include "load.h"

namespace slipway::bench {

namespace {

const std::string kData = R"({"result":1,"attempt":1,"started_at":1700000000000})";
constexpr const char* kTable =
    "CREATE TABLE IF NOT EXISTS bench_rows (run_id TEXT NOT NULL, seq BIGINT NOT NULL, type TEXT NOT NULL, at BIGINT "
    "NOT "
    "NULL, step TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (run_id, seq))";
constexpr int kRowsPerRun = 6;

std::string run_id(int row) {
  std::string digits = std::to_string(row / kRowsPerRun);
  return "run_01" + std::string(24 - digits.size(), '0') + digits;
}

void check(int code, sqlite3* database) {
  if (code != SQLITE_OK && code != SQLITE_DONE && code != SQLITE_ROW)
    throw std::runtime_error(sqlite3_errmsg(database));
}

void sqlite_rows(const std::string& path, int count, int batch) {
  sqlite3* raw = nullptr;
  check(sqlite3_open(path.c_str(), &raw), raw);
  const std::unique_ptr<sqlite3, decltype(&sqlite3_close_v2)> database(raw, sqlite3_close_v2);
  const auto execute = [&](const char* sql) { check(sqlite3_exec(raw, sql, nullptr, nullptr, nullptr), raw); };
  execute("PRAGMA journal_mode=WAL");
  execute("PRAGMA synchronous=FULL");
  execute(kTable);
  execute("DELETE FROM bench_rows");
  sqlite3_stmt* statement = nullptr;
  check(sqlite3_prepare_v2(raw, "INSERT INTO bench_rows VALUES (?,?,?,?,?,?)", -1, &statement, nullptr), raw);
  const std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)> insert(statement, sqlite3_finalize);
  const auto start = steady_now();
  for (int row = 0; row < count;) {
    execute("BEGIN IMMEDIATE");
    for (int i = 0; i < batch && row < count; ++i, ++row) {
      const std::string id = run_id(row);
      sqlite3_bind_text(statement, 1, id.c_str(), -1, SQLITE_TRANSIENT);
      sqlite3_bind_int64(statement, 2, row % kRowsPerRun);
      sqlite3_bind_text(statement, 3, "step_completed", -1, SQLITE_STATIC);
      sqlite3_bind_int64(statement, 4, 1'700'000'000'000 + row);
      sqlite3_bind_text(statement, 5, "create-machine", -1, SQLITE_STATIC);
      sqlite3_bind_text(statement, 6, kData.c_str(), -1, SQLITE_STATIC);
      check(sqlite3_step(statement), raw);
      sqlite3_reset(statement);
    }
    execute("COMMIT");
  }
  print_figures({{"rows_per_s", count / (microseconds_since(start) / 1e6)}});
}

std::string array_of(int first, int end, const auto& element) {
  std::string text = "{";
  for (int row = first; row < end; ++row) text += (row == first ? "" : ",") + element(row);
  return text + "}";
}

void postgres_rows(const std::string& url, int count, int batch) {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(url.c_str()), PQfinish);
  const auto must = [&](PGresult* raw) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(raw, PQclear);
    if (PQresultStatus(raw) != PGRES_COMMAND_OK) throw std::runtime_error(PQerrorMessage(connection.get()));
  };
  must(PQexec(connection.get(), kTable));
  must(PQexec(connection.get(), "TRUNCATE bench_rows"));
  must(PQprepare(connection.get(), "insert",
                 "INSERT INTO bench_rows SELECT id, seq, 'step_completed', at, 'create-machine', $4 FROM "
                 "unnest($1::text[], $2::bigint[], $3::bigint[]) AS row(id, seq, at)",
                 4, nullptr));
  const auto start = steady_now();
  for (int row = 0; row < count; row += batch) {
    const int end = std::min(row + batch, count);
    const std::string ids = array_of(row, end, run_id);
    const std::string seqs = array_of(row, end, [](int i) { return std::to_string(i % kRowsPerRun); });
    const std::string times = array_of(row, end, [](int i) { return std::to_string(1'700'000'000'000 + i); });
    const char* values[] = {ids.c_str(), seqs.c_str(), times.c_str(), kData.c_str()};
    must(PQexecPrepared(connection.get(), "insert", 4, values, nullptr, nullptr, 0));
  }
  print_figures({{"rows_per_s", count / (microseconds_since(start) / 1e6)}});
}

}  // namespace

int run(const std::vector<std::string>& words) {
  if (words.size() != 4 || words[0] != "rows") {
    std::cerr << "Usage: sql_bench rows DATABASE COUNT BATCH\n";
    return 2;
  }
  const auto measure = words[1].starts_with("postgres://") ? postgres_rows : sqlite_rows;
  measure(words[1], std::stoi(words[2]), std::stoi(words[3]));
  return 0;
}

}  // namespace slipway::bench

int main(int argc, char** argv) { return slipway::bench::run(std::vector<std::string>(argv + 1, argv + argc)); }
