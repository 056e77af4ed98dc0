#include "store/testing/scripted_session.h"

#include <algorithm>

#include "store/commit_marker.h"
#include "store/errors.h"

namespace slipway::store::testing {

class ScriptedSession final : public Session, public Transaction {
 public:
  explicit ScriptedSession(ScriptedDatabase& database) : database_(database) { reach("connect"); }

  void begin() override {
    doomed_ = false;
    pending_.clear();
    marker_.reset();
    reach("begin");
  }
  void write_marker(const std::string&, std::int64_t sequence) override { marker_ = sequence; }
  void savepoint() override { savepoint_ = pending_.size(); }
  void release() override {}
  void rollback_to() override { pending_.resize(savepoint_); }
  void rollback() noexcept override { pending_.clear(); }
  void make_durable() override {}
  Transaction& transaction() override { return *this; }
  bool doomed() const override { return doomed_ || lost_; }
  bool lost() const override { return lost_; }
  void tend() noexcept override {}

  CommitResult commit() noexcept override {
    try {
      reach("commit");
    } catch (...) {
      return {CommitOutcome::unknown, std::current_exception()};
    }
    const std::lock_guard lock(database_.mutex_);
    if (std::ranges::find(pending_, ScriptedDatabase::kRefusedAtCommit) != pending_.end())
      return {CommitOutcome::refused, std::make_exception_ptr(constraint_violated("unique", "late", "refused late"))};
    CommitFault fault = CommitFault::none;
    if (!database_.faults_.empty()) {
      fault = database_.faults_.front();
      database_.faults_.pop_front();
    }
    return commit_with(fault);
  }

  using Transaction::execute;
  using Transaction::query;
  Rows query(std::string_view sql, std::span<const Parameter>) override {
    SLIPWAY_ASSERT(sql == kReadMarker);
    reach("read marker");
    const std::lock_guard lock(database_.mutex_);
    return {Row({database_.marker_})};
  }
  std::int64_t execute(std::string_view, std::span<const Parameter> parameters) override {
    reach("");
    const auto number = *parameters[0].whole();
    doomed_ = number == ScriptedDatabase::kFull || number == ScriptedDatabase::kBroken;
    if (number == ScriptedDatabase::kFull) throw store_full("no space");
    if (number == ScriptedDatabase::kBroken) throw wrong_sql("broken", "");
    pending_.push_back(number);
    return 1;
  }
  void execute_many(std::string_view, std::size_t, std::span<const Parameter>) override {}
  Dialect dialect() const override { return Dialect::sqlite; }

 private:
  // Throws when the database is away.
  void reach(const char* what) {
    const std::lock_guard lock(database_.mutex_);
    if (*what) database_.log_.emplace_back(what);
    if (!database_.away_) return;
    lost_ = true;
    throw store_unavailable("away");
  }

  CommitResult commit_with(CommitFault fault) {
    if (fault == CommitFault::none || fault == CommitFault::unknown_but_stored) {
      database_.stored_.insert(database_.stored_.end(), pending_.begin(), pending_.end());
      if (marker_) database_.marker_ = *marker_;
    }
    if (fault == CommitFault::none) return {};
    if (fault == CommitFault::refused_for_now)
      return {CommitOutcome::refused, std::make_exception_ptr(store_busy("not now"))};
    if (fault == CommitFault::refused)
      return {CommitOutcome::refused, std::make_exception_ptr(base::internal_error("refused"))};
    lost_ = true;
    return {CommitOutcome::unknown, std::make_exception_ptr(store_unavailable("the connection broke"))};
  }

  ScriptedDatabase& database_;
  std::vector<std::int64_t> pending_;
  std::size_t savepoint_ = 0;
  std::optional<std::int64_t> marker_;
  bool doomed_ = false;
  bool lost_ = false;
};

ConnectSession ScriptedDatabase::connect() {
  return [this] { return std::make_unique<ScriptedSession>(*this); };
}

void ScriptedDatabase::add(Transaction& transaction, std::int64_t number) { transaction.execute("add", {number}); }

std::vector<std::int64_t> ScriptedDatabase::stored() const {
  const std::lock_guard lock(mutex_);
  return stored_;
}

std::vector<std::string> ScriptedDatabase::log() const {
  const std::lock_guard lock(mutex_);
  return log_;
}

void ScriptedDatabase::set_away(bool away) {
  const std::lock_guard lock(mutex_);
  away_ = away;
}

void ScriptedDatabase::fail_commits(std::deque<CommitFault> faults) {
  const std::lock_guard lock(mutex_);
  faults_ = std::move(faults);
}

}  // namespace slipway::store::testing
