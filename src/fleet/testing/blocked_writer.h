#pragma once
// For tests of two writers at once on PostgreSQL. For test programs.

#include <thread>

#include "store/store.h"

namespace slipway::fleet::testing {

// Returns when another connection to this database waits for what this transaction has locked.
inline void await_blocked_writer(store::Transaction& tx) {
  while (tx.query("SELECT 1 FROM pg_locks w WHERE NOT w.granted AND w.pid IN (SELECT h.pid FROM pg_locks h "
                  "JOIN pg_database d ON d.oid = h.database WHERE d.datname = current_database())")
             .empty())
    std::this_thread::yield();
}

}  // namespace slipway::fleet::testing
