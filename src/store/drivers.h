#pragma once
// The two databases behind store::open, with what a test may want to set.

#include <memory>
#include <string_view>

#include "store/store.h"

namespace slipway::store {

// How long the store waits for a database that does not let it.
struct Patience {
  base::Duration give_up_after{5'000};  // until a write or read that finds no database fails; see kGiveUpAfter
  base::Duration busy{1'000};           // SQLite: for somebody else's lock, each time
};

// One file, one process.
std::unique_ptr<Database> open_sqlite(std::string_view path, Patience patience = {});
// Several replicas may share it.
std::unique_ptr<Database> open_postgres(std::string_view url, Patience patience = {});

}  // namespace slipway::store
