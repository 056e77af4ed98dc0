#pragma once
// The audit log as a chain of hashes whose head is sealed (WP-19): how entries join it, and how it is looked over.
//
// Each entry has a text, which begins its line in an export, and a hash of that; the text holds the hash of the entry
// before, so that none can be changed, taken out or put elsewhere without changing all that follow. The head is the
// last entry's place, sealed by a key that is not in the database: who has only that cannot make a whole new chain, or
// shorten the one there is. docs/audit.md says it for those who want to verify an export by themselves.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/secret.h"
#include "fleet/audit.h"

namespace slipway::fleet {

class Sealer;

// Where a chain stands: behind this entry. Written 'SEQ:HASH'.
struct AuditPlace {
  std::int64_t seq = 0;
  std::string hash = std::string(64, '0');  // before the first entry
  std::string str() const { return std::to_string(seq) + ":" + hash; }
  bool operator==(const AuditPlace&) const = default;
};
// Empty when it is none.
std::optional<AuditPlace> parse_audit_place(std::string_view text);

// As the database has it. Without a row of that table: the beginning, without a seal.
struct AuditHead {
  AuditPlace place;
  std::string seal;
};
AuditPlace audit_place(store::Transaction& tx);

// ---- writing

class AuditChain {
 public:
  // `on_broken`, if given, is called on a thread of the store when an entry was to follow a head whose seal does not
  // fit: somebody else has changed it.
  explicit AuditChain(const Sealer& sealer, std::function<void()> on_broken = {});

  // The ending 'audit' of a database. It locks the head, and so has to be the last ending that is added.
  store::Ending ending() const;
  bool seal_fits(const AuditHead& head) const;

 private:
  base::Secret key_;
  std::function<void()> on_broken_;
};

// Lets a database take audit entries.
void keep_audit(store::Database& database, const AuditChain& chain);
// Entries of versions before the chain join it, a slice in each write. To be called at the start; waits.
void chain_old_entries(store::Database& database);

// ---- looking it over

struct AuditFault {
  std::int64_t seq = 0;  // the first entry that is not as it was written, or is missing
  std::string reason;
};

// Follows a chain entry by entry, from a place that is taken for granted.
class AuditCheck {
 public:
  explicit AuditCheck(AuditPlace from = {}) : place_(std::move(from)) {}
  // `text` is what is hashed. After a fault it stays where it is.
  std::optional<AuditFault> follow(std::int64_t seq, std::string_view prev_hash, std::string_view text,
                                   std::string_view hash);
  // A line of an export, without its end.
  std::optional<AuditFault> follow_line(std::string_view line);
  const AuditPlace& place() const { return place_; }

 private:
  AuditPlace place_;
};

struct AuditReport {
  AuditPlace reached;        // verified up to here
  std::int64_t checked = 0;  // entries, by this call
  bool is_complete = false;  // all of them were; otherwise go on from `reached`
  AuditPlace head;           // as it was at the end
  bool seal_fits = false;    // of that head
  std::optional<AuditFault> fault;
};
// How many entries a read goes through at most: some milliseconds of a reader.
inline constexpr std::int64_t kAuditSlice = 2'000;
// One slice from `from` on; after the last one also whether the head is at its end. Each call is for a read of its own;
// writers are not held up.
AuditReport verify_audit(store::Transaction& tx, const AuditChain& chain, const AuditPlace& from,
                         std::int64_t limit = kAuditSlice);

// ---- exporting

// Entries of a time have not always neighbouring places: from the first of them to the last, so that they are a chain.
struct AuditRange {
  std::int64_t first = 1;
  std::int64_t last = 0;
};
AuditRange audit_range(store::Transaction& tx, std::optional<base::Instant> since, std::optional<base::Instant> until);
// The lines of at most `limit` entries, oldest first. Moves `range.first` behind them.
std::string export_audit(store::Transaction& tx, AuditRange& range, std::int64_t limit = 500);

}  // namespace slipway::fleet
