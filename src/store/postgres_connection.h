#pragma once
// One PostgreSQL connection: statements kept prepared, sent in pipelines, errors translated by SQLSTATE.
//
// It is always in libpq's pipeline mode and non-blocking: a round trip carries what was deferred, the statement and a
// sync, and reads while it sends, so that neither side can block the other. Used by one thread at a time.

#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "store/store.h"

struct pg_conn;
struct pg_result;

namespace slipway::store {

// A statement gets so long, also to wait for locks. Reports that need more belong elsewhere.
inline constexpr base::Duration kStatementTimeout{15'000};
// A server that is silent for longer than any statement may take is gone, whatever TCP thinks.
inline constexpr base::Duration kAnswerTimeout{20'000};
inline constexpr base::Duration kConnectTimeout{5'000};

enum class PostgresMode { write, read_only };

class PostgresConnection final : public Transaction {
 public:
  // `name` is what the server shows as application_name. Throws STORE_UNAVAILABLE.
  PostgresConnection(const std::string& url, const std::string& name, PostgresMode mode);
  ~PostgresConnection() override;
  PostgresConnection(const PostgresConnection&) = delete;
  PostgresConnection& operator=(const PostgresConnection&) = delete;

  using Transaction::execute;
  using Transaction::query;
  Rows query(std::string_view sql, std::span<const Parameter> parameters) override;
  std::int64_t execute(std::string_view sql, std::span<const Parameter> parameters) override;
  void execute_many(std::string_view sql, std::size_t columns, std::span<const Parameter> parameters) override;
  Dialect dialect() const override { return Dialect::postgres; }

  // Sent in front of the next statement; if it fails, the transaction is doomed. `sql` must be a literal.
  void defer(std::string_view sql, std::vector<Parameter> parameters = {});
  // Several statements without parameters, in a round trip of their own.
  void run_script(const std::string& sql);
  // False when the server rolled back instead, as it does after a statement that failed.
  bool commit();
  // What was deferred and not sent is forgotten; a transaction that is open is rolled back.
  void rollback() noexcept;

  bool lost() const { return lost_; }
  // The transaction is beyond a savepoint's help: a deferred statement failed, or a deadlock was resolved at its cost.
  bool doomed() const { return doomed_ || lost_; }

 private:
  struct FreeResult {
    void operator()(pg_result* result) const;
  };
  using Result = std::unique_ptr<pg_result, FreeResult>;
  struct Statement {
    std::string name;
    std::string sql;
    bool prepared = false;  // the server knows it
  };
  struct Key {
    const char* address;
    std::size_t length;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const {
      return std::hash<const void*>()(key.address) ^ (key.length * 0x9e3779b97f4a7c15u);
    }
  };
  struct Deferred {
    std::string_view sql;
    std::vector<Parameter> parameters;
  };
  // What the next result that comes back belongs to.
  struct Expected {
    Statement* statement;
    bool is_preparation;
    bool is_deferred;
  };
  using Deadline = std::chrono::steady_clock::time_point;

  Statement& statement_for(std::string_view sql);
  void send(std::string_view sql, std::span<const Parameter> parameters, bool is_deferred);
  void send_deferred();
  Result round_trip();
  Result next_result(Deadline deadline);
  void wait_for_socket(Deadline deadline);
  void require(int sent);
  [[noreturn]] void fail_lost(std::string_view reason = {});
  [[noreturn]] void fail(const pg_result* result, std::string_view sql);

  pg_conn* connection_ = nullptr;
  const PostgresMode mode_;
  bool lost_ = false;
  bool doomed_ = false;
  std::vector<Deferred> deferred_;
  std::deque<Expected> expected_;
  std::unordered_map<Key, std::unique_ptr<Statement>, KeyHash> statements_;
  std::uint64_t statements_made_ = 0;
};

}  // namespace slipway::store
