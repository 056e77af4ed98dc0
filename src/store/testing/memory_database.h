#pragma once
// A database in memory without threads, for tests and the deterministic simulation: whoever calls decides when a group
// is run, when it becomes durable, and when the process 'crashes' before that.
//
//   MemoryDatabase database;                      // fresh and migrated, in some 50 microseconds
//   auto failures = database.apply(works);        // begins a transaction if none is open
//   database.commit();                            // durable now: time for the Dones
//   database.rollback();                          // or: crashed before the commit, the works never happened
//
// Not thread-safe.

#include <exception>
#include <memory>
#include <span>
#include <vector>

#include "store/store.h"

namespace slipway::store {
class Endings;
class HeldAnswers;
class LeftItems;
class Listeners;
class SqliteSession;
}  // namespace slipway::store

namespace slipway::store::testing {

class MemoryDatabase {
 public:
  MemoryDatabase();
  ~MemoryDatabase();
  MemoryDatabase(const MemoryDatabase&) = delete;
  MemoryDatabase& operator=(const MemoryDatabase&) = delete;

  void add_ending(std::string name, Ending ending);  // see Database

  // Runs each work under a savepoint, as the real store does; null for those that succeeded. The failed ones left
  // nothing.
  std::vector<std::exception_ptr> apply(std::span<Work> works);
  std::exception_ptr apply(Work work);
  // Both do nothing when no transaction is open. An ending that fails is rethrown, and the group rolled back.
  void commit();
  void rollback();
  bool in_transaction() const;

  // Bells are heard within `ring`. See Database.
  std::unique_ptr<Listening> listen(std::string channel, Bell bell);
  void ring(std::string_view channel, std::string_view word);

  // What is committed; must not be called while a transaction is open. Rethrows what the work throws.
  void read(Work work);
  // A transaction of its own for one work; must not be called while another is open. Rethrows what the work throws.
  void write(Work work);

 private:
  std::unique_ptr<SqliteSession> session_;
  std::unique_ptr<HeldAnswers> held_;
  std::unique_ptr<Endings> endings_;
  std::unique_ptr<LeftItems> left_;
  std::unique_ptr<Listeners> listeners_;
  bool open_ = false;
};

}  // namespace slipway::store::testing
