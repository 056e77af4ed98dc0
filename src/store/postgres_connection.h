#pragma once
// One PostgreSQL connection: statements kept prepared, sent in pipelines, errors translated by SQLSTATE.
//
// It is always in libpq's pipeline mode and non-blocking: a round trip carries what was deferred, the statement and a
// sync, and reads while it sends, so that neither side can block the other. Rows of execute_many wait for the next
// round trip, and those of one statement go together, as arrays. Used by one thread at a time.

#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "store/postgres_arrays.h"
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

// A connection as all of ours are made; it may have failed. `name` is what the server shows as application_name.
pg_conn* connect_to_postgres(const std::string& url, const std::string& name, PostgresMode mode);

class PostgresConnection final : public Transaction {
 public:
  // Throws STORE_UNAVAILABLE.
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

  // Whether rows of an INSERT may also join those of the same statement that wait behind rows for other tables. Only
  // where the transaction is run again without that if it fails: a foreign key may see the other order.
  void let_inserts_pass(bool may) { inserts_pass_ = may; }
  // Sends the rows that wait, if there are any, and throws if one was refused.
  void flush();
  void forget_rows();
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
  struct SetForm;
  struct Statement {
    std::string name;
    std::string sql;
    bool prepared = false;  // the server knows it
    std::shared_ptr<SetForm> set = nullptr;
  };
  using StatementPtr = std::shared_ptr<Statement>;
  // A statement of execute_many, over arrays.
  struct SetForm {
    SetKind kind;
    std::string table;
    std::vector<ColumnType> columns;
    StatementPtr statement;
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
  struct Control {
    std::string_view sql;
    std::vector<Parameter> parameters;
  };
  struct RowSet {
    std::shared_ptr<SetForm> form;
    PostgresArrays rows;
  };
  using Deferred = std::variant<Control, RowSet>;
  // What the next result that comes back belongs to.
  enum class Step { preparation, description, execution };
  struct Expected {
    StatementPtr statement;
    Step step;
    bool is_control;
  };
  using Deadline = std::chrono::steady_clock::time_point;

  StatementPtr new_statement(std::string_view sql);
  StatementPtr statement_for(std::string_view sql);
  std::shared_ptr<SetForm> set_form_of(std::string_view sql);
  PostgresArrays& rows_waiting_for(const std::shared_ptr<SetForm>& form);
  void prepare(const StatementPtr& statement, bool is_control);
  void send(std::string_view sql, std::span<const Parameter> parameters, bool is_control);
  void send(RowSet& set);
  void send_deferred();
  void forget_statements_if_many();
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
  bool inserts_pass_ = false;
  std::unordered_map<Key, StatementPtr, KeyHash> statements_;
  std::uint64_t statements_made_ = 0;
};

}  // namespace slipway::store
