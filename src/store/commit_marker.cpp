#include "store/commit_marker.h"

#include "base/random.h"

namespace slipway::store {
namespace {

// A live writer whose row was taken for old makes it anew with its next group.
constexpr base::Duration kMarkersKept = std::chrono::days(7);

}  // namespace

std::string make_writer_name() { return "writer_" + base::random_token(12); }

void forget_old_markers(Transaction& transaction) {
  try {
    transaction.execute("DELETE FROM commit_markers WHERE updated_at < $1", {base::SystemClock().now() - kMarkersKept});
  } catch (const base::Error& error) {
    if (error.error_class() != base::ErrorClass::transient) throw;  // a full disk is no reason not to start
  }
}

}  // namespace slipway::store
