#pragma once
// The batching shell: writes of many callers, one transaction and one sync for each group of them.
//
// One thread owns the writing connection. While it commits a group, the next one gathers in the queue; nothing waits
// artificially. A group is run without savepoints first: most have no work that fails, and on PostgreSQL each savepoint
// costs more than the rows. When one fails that has written something, all are run again, each under a savepoint of its
// own. Each group also notes its number in commit_markers. When the outcome of a COMMIT is not known, that row
// is read back on a new connection before anything else is written, and tells whether the group is stored or has to be
// run again. The order of writes is kept, also over a retry. Before the COMMIT come the endings, with what the works of
// this run of the group left to them.

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

#include "store/guarded_transaction.h"
#include "store/session.h"

namespace slipway::store {

// How long a write waits for a database that is away or locked, before its caller is told: shorter than the patience of
// an HTTP client, longer than a failover or restart that goes well.
inline constexpr base::Duration kGiveUpAfter{5'000};
// Between attempts to reach the database again: doubling, with jitter.
inline constexpr base::Duration kFirstBackOff{20};
inline constexpr base::Duration kLongestBackOff{1'000};

class GroupWriter {
 public:
  struct Options {
    // Names this writer's row of commit_markers: unlike any other that ever wrote to this database.
    std::string writer;
    base::Duration give_up_after = kGiveUpAfter;
    base::Duration first_back_off = kFirstBackOff;
    base::Duration longest_back_off = kLongestBackOff;
    std::size_t queue_max = kQueueMax;
    std::size_t group_max = kGroupMax;
  };

  // Starts the thread, which connects.
  // `endings` must outlive it.
  GroupWriter(ConnectSession connect, Options options, const Endings& endings);
  // Commits what waits, if the database lets it in one attempt; else fails it. Joins the thread.
  ~GroupWriter();
  GroupWriter(const GroupWriter&) = delete;
  GroupWriter& operator=(const GroupWriter&) = delete;

  // Thread-safe. See Database::write.
  void write(Work work, Done done);
  Database::Statistics statistics() const;

 private:
  using Steady = std::chrono::steady_clock;

  struct Entry {
    Work work;
    Done done;
    Steady::time_point since;
    std::exception_ptr failure = nullptr;  // of the last run
  };
  using Group = std::deque<Entry>;

  struct InDoubt {
    Group group;
    std::int64_t sequence;
  };

  void run();
  bool wait_for_turn();
  void take_turn();
  bool connect_and_settle();
  void settle();
  Group gather();
  void commit_group(Group group);
  bool commit_with(Group& group, Savepoint savepoint);
  struct Ran {
    std::exception_ptr doom = nullptr;  // why the transaction as a whole came to nothing
    bool needs_savepoints = false;
  };
  Ran run_works(Group& group, Savepoint savepoint);
  bool end_with_trouble(Group& group, Savepoint savepoint, const std::exception_ptr& failure);
  void conclude(Group group, CommitResult result);
  void try_again(Group group, const std::exception_ptr& cause);
  void find_culprit(Group group, const std::exception_ptr& cause);
  static void report(Group group);
  void count_commit(const Group& group);
  void succeeded();
  void failed(const std::exception_ptr& cause);
  void give_up_on_the_old();
  void fail_everything();
  Steady::time_point give_up_at(const Entry& entry) const;

  const ConnectSession connect_;
  const Options options_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  Group queue_;                         // guarded by mutex_
  Database::Statistics statistics_;     // guarded by mutex_
  bool stopping_ = false;               // guarded by mutex_
  bool failed_while_stopping_ = false;  // guarded by mutex_

  // Only the thread's own from here.
  std::unique_ptr<Session> session_;
  HeldAnswers held_;
  LeftItems left_;
  std::int64_t sequence_ = 0;
  std::optional<InDoubt> in_doubt_;
  Group again_;                   // goes before the queue
  std::size_t one_by_one_ = 0;    // so many of again_ run alone, to find the one that dooms a transaction
  unsigned attempts_failed_ = 0;  // in a row
  Steady::time_point not_before_{};
  Steady::time_point failing_since_{};
  std::exception_ptr last_failure_;  // why the database cannot be written; null while it can
  std::minstd_rand jitter_{std::random_device{}()};

  std::thread thread_;
};

}  // namespace slipway::store
