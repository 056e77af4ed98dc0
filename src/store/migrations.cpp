#include "store/migrations.h"

#include <boost/json/object.hpp>
#include <map>

#include "base/digest.h"

namespace slipway::store {
namespace {

constexpr std::string_view kHistoryTable =
    "CREATE TABLE IF NOT EXISTS schema_migrations ("
    "number BIGINT PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL, applied_at BIGINT NOT NULL)";
constexpr std::string_view kReadHistory = "SELECT number, sha256, name FROM schema_migrations ORDER BY number";
constexpr std::string_view kRecord =
    "INSERT INTO schema_migrations (number, name, sha256, applied_at) VALUES ($1, $2, $3, $4)";

base::Error mismatch(std::int64_t number, std::string_view name, std::string_view what) {
  return base::Error(base::ErrorClass::internal, "MIGRATION_MISMATCH",
                     "migration " + std::to_string(number) + " (" + std::string(name) + ") " + std::string(what),
                     boost::json::object{{"number", number}, {"name", name}});
}

// Of ours, those for this database, by number. Two for one number would be a fault of the build.
std::map<std::int64_t, const Migration*> select_for(Dialect dialect, const std::vector<Migration>& migrations) {
  std::map<std::int64_t, const Migration*> result;
  for (const Migration& migration : migrations)
    if (!migration.dialect || *migration.dialect == dialect)
      SLIPWAY_ASSERT(result.emplace(migration.number, &migration).second);
  return result;
}

// Removes from `ours` what is applied already.
void check_history(Transaction& transaction, std::map<std::int64_t, const Migration*>& ours) {
  for (const Row& row : transaction.query(kReadHistory)) {
    const std::int64_t number = row.integer(0);
    const auto found = ours.find(number);
    if (found == ours.end())
      throw mismatch(number, row.text(2), "was applied by a newer version of this program: use that version");
    if (base::sha256_hex(found->second->sql) != row.text(1))
      throw mismatch(number, row.text(2), "was applied with another text than the one this program carries");
    ours.erase(found);
  }
}

class Exclusively {
 public:
  explicit Exclusively(MigrationSession& session) : session_(session) { session_.begin_exclusively(); }
  ~Exclusively() {
    if (open_) session_.rollback();
  }
  Exclusively(const Exclusively&) = delete;
  Exclusively& operator=(const Exclusively&) = delete;
  void commit() {
    session_.commit();
    open_ = false;
  }

 private:
  MigrationSession& session_;
  bool open_ = true;
};

// False when nothing was left to do.
bool apply_next(MigrationSession& session, const std::vector<Migration>& migrations) {
  Exclusively exclusively(session);
  Transaction& transaction = session.transaction();
  auto pending = select_for(transaction.dialect(), migrations);
  check_history(transaction, pending);
  if (pending.empty()) return false;
  const Migration& next = *pending.begin()->second;
  session.run_script(next.sql);
  transaction.execute(kRecord,
                      {std::int64_t(next.number), next.name, base::sha256_hex(next.sql), base::SystemClock().now()});
  exclusively.commit();
  return true;
}

}  // namespace

void migrate(MigrationSession& session, const std::vector<Migration>& migrations) {
  {
    Exclusively exclusively(session);
    session.transaction().execute(kHistoryTable);
    exclusively.commit();
  }
  while (apply_next(session, migrations)) {
  }
}

}  // namespace slipway::store
