#include "store/group_writer.h"

#include <algorithm>

#include "store/commit_marker.h"
#include "store/errors.h"

namespace slipway::store {
namespace {

base::Error closing() { return store_unavailable("it is being closed"); }

base::Error outcome_unknown() {
  return base::Error(base::ErrorClass::transient, "STORE_OUTCOME_UNKNOWN",
                     "the connection to the database broke while this was being stored, and it has not come back to "
                     "tell whether it is; look before trying again");
}

bool is_transient(const std::exception_ptr& failure) {
  return base::as_error(failure).error_class() == base::ErrorClass::transient;
}

bool is_full(const std::exception_ptr& failure) { return base::as_error(failure).code() == "STORE_FULL"; }

}  // namespace

GroupWriter::GroupWriter(ConnectSession connect, Options options, const Endings& endings)
    : connect_(std::move(connect)), options_(std::move(options)), left_(endings), thread_([this] { run(); }) {}

GroupWriter::~GroupWriter() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void GroupWriter::write(Work work, Done done) {
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() < options_.queue_max) {
      queue_.push_back({std::move(work), std::move(done), Steady::now()});
      if (queue_.size() == 1) wake_.notify_one();  // otherwise the thread knows already that there is something to do
      return;
    }
  }
  done(std::make_exception_ptr(store_busy(std::to_string(options_.queue_max) + " writes are waiting already")));
}

Database::Statistics GroupWriter::statistics() const {
  const std::lock_guard lock(mutex_);
  Database::Statistics result = statistics_;
  result.queued = queue_.size();
  return result;
}

void GroupWriter::run() {
  while (wait_for_turn()) take_turn();
  fail_everything();
}

// False when it is time to end. While the database is away, turns come after a back-off, and when a write must be given
// up; also without writes, to see when the database is back.
bool GroupWriter::wait_for_turn() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const bool has_writes = !queue_.empty() || !again_.empty() || in_doubt_;
    if (stopping_) {
      not_before_ = {};
      return has_writes && !failed_while_stopping_;
    }
    if (!has_writes && !last_failure_) {
      wake_.wait(lock);
      continue;
    }
    auto turn = not_before_;
    if (!again_.empty()) turn = std::min(turn, give_up_at(again_.front()));
    if (!queue_.empty()) turn = std::min(turn, give_up_at(queue_.front()));
    if (Steady::now() >= turn) return true;
    wake_.wait_until(lock, turn);
  }
}

void GroupWriter::take_turn() {
  give_up_on_the_old();
  if (Steady::now() < not_before_) return;
  if (connect_and_settle()) commit_group(gather());
}

bool GroupWriter::connect_and_settle() {
  try {
    if (session_ && session_->lost()) session_.reset();
    if (!session_) session_ = connect_();
    if (in_doubt_) settle();
    return true;
  } catch (...) {
    if (session_) session_->rollback();
    failed(std::current_exception());
    return false;
  }
}

// Reads back whether the group in doubt is stored. Throws while that cannot be told.
void GroupWriter::settle() {
  session_->begin();
  const Rows rows = session_->transaction().query(kReadMarker, {options_.writer, base::SystemClock().now()});
  const std::int64_t stored = rows.at(0).integer(0);
  const CommitResult result = session_->commit();
  if (result.outcome == CommitOutcome::unknown) session_.reset();
  if (result.failure) std::rethrow_exception(result.failure);
  session_->make_durable();

  InDoubt settled = std::move(*in_doubt_);
  in_doubt_.reset();
  if (stored == settled.sequence) {
    count_commit(settled.group);
    report(std::move(settled.group));
  } else {
    for (auto entry = settled.group.rbegin(); entry != settled.group.rend(); ++entry)
      again_.push_front(std::move(*entry));
  }
}

GroupWriter::Group GroupWriter::gather() {
  Group group;
  const bool alone = one_by_one_ > 0 && !again_.empty();
  one_by_one_ = alone ? one_by_one_ - 1 : 0;
  const std::size_t limit = alone ? 1 : options_.group_max;
  const auto take_from = [&](Group& source) {
    for (; group.size() < limit && !source.empty(); source.pop_front()) group.push_back(std::move(source.front()));
  };
  take_from(again_);
  const std::lock_guard lock(mutex_);
  take_from(queue_);
  return group;
}

// An empty group only shows whether the database can be written again.
void GroupWriter::commit_group(Group group) {
  if (!commit_with(group, Savepoint::none)) commit_with(group, Savepoint::around);
}

// False when the group has to be run again under savepoints: nothing of it is stored. Otherwise its works are reported,
// or wait for another turn.
bool GroupWriter::commit_with(Group& group, Savepoint savepoint) {
  held_.forget();
  left_.forget();
  try {
    session_->begin();
    session_->write_marker(options_.writer, ++sequence_);
  } catch (...) {
    session_->rollback();
    try_again(std::move(group), std::current_exception());
    return true;
  }
  const Ran ran = run_works(group, savepoint);
  const bool failed_alone = group.size() == 1 && group.front().failure;
  if (ran.doom || ran.needs_savepoints || failed_alone) {
    session_->rollback();
    if (ran.doom)
      find_culprit(std::move(group), ran.doom);
    else if (!ran.needs_savepoints)
      report(std::move(group));
    return !ran.needs_savepoints;
  }
  if (const auto failure = run_endings(*session_, held_, left_)) return end_with_trouble(group, savepoint, failure);
  const CommitResult result = session_->commit();
  const bool may_be_for_a_row = result.outcome == CommitOutcome::refused && !is_transient(result.failure);
  if (savepoint == Savepoint::none && may_be_for_a_row && !group.empty()) {
    session_->rollback();
    return false;
  }
  conclude(std::move(group), result);
  return true;
}

// An ending failed. It may have been the first to hear of rows that a work had put and not waited for: under savepoints
// that work hears of them itself. Returns as commit_with does.
bool GroupWriter::end_with_trouble(Group& group, Savepoint savepoint, const std::exception_ptr& failure) {
  session_->rollback();
  if (savepoint == Savepoint::none && !is_transient(failure)) return false;
  find_culprit(std::move(group), failure);
  return true;
}

GroupWriter::Ran GroupWriter::run_works(Group& group, Savepoint savepoint) {
  for (Entry& entry : group) {
    const WorkResult result = run_work(*session_, entry.work, savepoint, held_, left_);
    entry.failure = result.failure;
    if (result.failure && session_->doomed()) return {.doom = result.failure};
    // Alone, what it wrote goes with the transaction. But a statement may have failed because rows had been put in
    // another order.
    if (result.leaves_traces && savepoint == Savepoint::none && (group.size() > 1 || result.statement_failed))
      return {.needs_savepoints = true};
  }
  return {};
}

void GroupWriter::conclude(Group group, CommitResult result) {
  if (result.outcome == CommitOutcome::committed) {
    count_commit(group);
    succeeded();
    report(std::move(group));
    session_->tend();
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    ++statistics_.failed_groups;
  }
  if (result.outcome == CommitOutcome::refused) {
    session_->rollback();
    find_culprit(std::move(group), result.failure);
    return;
  }
  session_.reset();
  in_doubt_ = InDoubt{std::move(group), sequence_};
  failed(result.failure);
}

void GroupWriter::try_again(Group group, const std::exception_ptr& cause) {
  for (auto entry = group.rbegin(); entry != group.rend(); ++entry) again_.push_front(std::move(*entry));
  failed(cause);
}

// The transaction as a whole came to nothing. It may have been one of its writes: they are run one by one, so that it
// takes nobody with it. A write alone that found no space, or did what can never succeed, fails.
void GroupWriter::find_culprit(Group group, const std::exception_ptr& cause) {
  const bool passes = is_transient(cause);
  if (group.size() > 1) {
    one_by_one_ = group.size();
    try_again(std::move(group), cause);
    if (!passes) not_before_ = {};
  } else if (passes && !is_full(cause)) {
    try_again(std::move(group), cause);
  } else {
    if (passes) failed(cause);
    for (Entry& entry : group) entry.failure = cause;
    report(std::move(group));
  }
}

void GroupWriter::report(Group group) {
  for (Entry& entry : group) entry.done(entry.failure);
}

void GroupWriter::count_commit(const Group& group) {
  const std::lock_guard lock(mutex_);
  ++statistics_.groups;
  statistics_.writes += std::uint64_t(std::ranges::count_if(group, [](const Entry& e) { return !e.failure; }));
}

void GroupWriter::succeeded() {
  attempts_failed_ = 0;
  not_before_ = {};
  last_failure_ = nullptr;
  const std::lock_guard lock(mutex_);
  statistics_.healthy = true;
}

void GroupWriter::failed(const std::exception_ptr& cause) {
  const auto now = Steady::now();
  if (!last_failure_) failing_since_ = now;
  last_failure_ = cause;
  const auto doubled = options_.first_back_off * (1 << std::min(attempts_failed_, 10u));
  const auto delay = std::min<base::Duration>(doubled, options_.longest_back_off);
  const auto half = std::max<std::int64_t>(delay.count() / 2, 1);
  not_before_ = now + base::Duration(half + std::int64_t(jitter_() % std::uint64_t(half)));
  ++attempts_failed_;
  const std::lock_guard lock(mutex_);
  // Once may be a deadlock or a connection that was closed for its age.
  if (attempts_failed_ > 1) statistics_.healthy = false;
  if (stopping_) failed_while_stopping_ = true;
}

// Only of a failing database can a write wait too long: in a queue that moves it does not.
GroupWriter::Steady::time_point GroupWriter::give_up_at(const Entry& entry) const {
  if (!last_failure_) return Steady::time_point::max();
  return std::max(entry.since, failing_since_) + options_.give_up_after;
}

void GroupWriter::give_up_on_the_old() {
  const auto now = Steady::now();
  Group old;
  const auto take_from = [&](Group& source) {
    for (; !source.empty() && give_up_at(source.front()) <= now; source.pop_front())
      old.push_back(std::move(source.front()));
  };
  take_from(again_);
  {
    const std::lock_guard lock(mutex_);
    take_from(queue_);
  }
  for (Entry& entry : old) entry.failure = last_failure_;
  report(std::move(old));
}

// A group in doubt is in doubt until the database tells: its callers wait for as long, unless the program ends.
void GroupWriter::fail_everything() {
  Group rest = std::move(again_);
  {
    const std::lock_guard lock(mutex_);
    for (Entry& entry : queue_) rest.push_back(std::move(entry));
    queue_.clear();
  }
  if (in_doubt_) {
    for (Entry& entry : in_doubt_->group) entry.failure = std::make_exception_ptr(outcome_unknown());
    report(std::move(in_doubt_->group));
  }
  const auto cause = last_failure_ ? last_failure_ : std::make_exception_ptr(closing());
  for (Entry& entry : rest) entry.failure = cause;
  report(std::move(rest));
}

}  // namespace slipway::store
