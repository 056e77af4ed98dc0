#pragma once
// What the store needs of a database: two small interfaces that the drivers implement.
//
// Each object is one connection, used by one thread. None of them retries: that is for GroupWriter and ReaderPool.

#include <exception>
#include <functional>
#include <memory>
#include <string>

#include "store/store.h"

namespace slipway::store {

enum class CommitOutcome {
  committed,
  refused,  // nothing of the transaction is stored
  unknown,  // the connection broke or the disk failed meanwhile: only looking tells
};

struct CommitResult {
  CommitOutcome outcome = CommitOutcome::committed;
  std::exception_ptr failure;  // set unless committed
};

// A connection that writes. Everything throws base::Error as Transaction does, unless it is noexcept.
class Session {
 public:
  virtual ~Session() = default;

  // Control statements may be sent together with the next statement, so that their failure surfaces there: the
  // transaction is then doomed, whose statement ever it was.
  virtual void begin() = 0;
  virtual void write_marker(const std::string& writer, std::int64_t sequence) = 0;
  virtual void savepoint() = 0;
  virtual void release() = 0;
  virtual void rollback_to() = 0;  // undoes what came after the savepoint, and removes it
  virtual CommitResult commit() noexcept = 0;
  virtual void rollback() noexcept = 0;

  // Between transactions, after a COMMIT whose outcome was unknown: makes sure that what can be read now also survives
  // a power cut. A kernel that failed to sync may forget what it should have written, and yet show it.
  virtual void make_durable() = 0;

  // Valid as long as the session; to be used only between begin and commit.
  virtual Transaction& transaction() = 0;

  // The transaction cannot be carried on, not even by rolling back to the savepoint: the connection is lost, the
  // database rolled everything back, or it chose this transaction to resolve a deadlock.
  virtual bool doomed() const = 0;
  // The connection is of no use any more.
  virtual bool lost() const = 0;
  // Upkeep between two transactions, when nobody waits for it.
  virtual void tend() noexcept = 0;
};

// A connection that reads: a snapshot from `begin` to `end`.
class ReadSession {
 public:
  virtual ~ReadSession() = default;
  virtual Transaction& begin() = 0;
  virtual void end() noexcept = 0;
  virtual bool lost() const = 0;
};

// Makes a new connection, or throws base::Error (transient) when the database does not answer. Called again after a
// connection was lost, on the thread that will use the session.
using ConnectSession = std::function<std::unique_ptr<Session>()>;
using ConnectReader = std::function<std::unique_ptr<ReadSession>()>;

}  // namespace slipway::store
