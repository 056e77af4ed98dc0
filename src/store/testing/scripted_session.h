#pragma once
// A database without SQL that fails as a test says: for tests of what the batching shell does about it.

#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "store/session.h"

namespace slipway::store::testing {

enum class CommitFault { none, refused, refused_for_now, unknown_but_stored, unknown_and_not_stored };

// What outlives the sessions. Set what should happen before, or from within `before_commit`. Thread-safe where marked.
class ScriptedDatabase {
 public:
  // Makes sessions for a GroupWriter; this must outlive it.
  ConnectSession connect();

  // The only statement: stores a number. 'full' and 'broken' doom the transaction in which they are stored.
  static void add(Transaction& transaction, std::int64_t number);

  std::vector<std::int64_t> stored() const;           // thread-safe
  std::vector<std::string> log() const;               // thread-safe; what was asked of the sessions, in order
  void set_away(bool away);                           // thread-safe; connecting fails, and so does every connection
  void fail_commits(std::deque<CommitFault> faults);  // thread-safe; the next ones, one fault each

  static constexpr std::int64_t kFull = -1, kBroken = -2;
  // A group that contains it is refused at its commit, as by a constraint that is checked late.
  static constexpr std::int64_t kRefusedAtCommit = -3;

 private:
  friend class ScriptedSession;
  mutable std::mutex mutex_;
  std::vector<std::int64_t> stored_;
  std::int64_t marker_ = 0;
  std::vector<std::string> log_;
  bool away_ = false;
  std::deque<CommitFault> faults_;
};

}  // namespace slipway::store::testing
