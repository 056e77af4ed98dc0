#include "durable/membership.h"

namespace slipway::durable {
namespace {

// Sharing the row's key is enough: beats do not change it, an eviction does.
constexpr std::string_view kHoldSqlite = "SELECT 1 FROM replicas WHERE id = $1";
constexpr std::string_view kHoldPostgres = "SELECT 1 FROM replicas WHERE id = $1 FOR KEY SHARE";

// Where its row is locked by a commit under way, this does not wait: our own commits would wait behind it.
constexpr std::string_view kEvictSqlite = "DELETE FROM replicas WHERE id = $1 AND beat = $2";
constexpr std::string_view kEvictPostgres =
    "DELETE FROM replicas WHERE id IN (SELECT id FROM replicas WHERE id = $1 AND beat = $2 FOR UPDATE SKIP LOCKED)";

void say_departed(store::Transaction& tx, const std::string& replica, Instant now) {
  tx.execute("INSERT INTO departed_replicas (id, departed_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING",
             {replica, now});
}

void depart_all_others(store::Transaction& tx, const std::string& self, Instant now) {
  for (const auto& row : tx.query("DELETE FROM replicas WHERE id <> $1 RETURNING id", {self}))
    say_departed(tx, row.text(0), now);
}

// What one look finds.
struct View {
  bool fenced = false;
  std::map<std::string, std::int64_t> others;  // id → beat
  std::vector<ReplicaId> departed;
};

View look_at(store::Transaction& tx, const std::string& self) {
  View view;
  for (const auto& row : tx.query("SELECT id, beat FROM replicas WHERE id <> $1", {self}))
    view.others[row.text(0)] = row.integer(1);
  for (const auto& row : tx.query("SELECT id FROM departed_replicas ORDER BY id"))
    view.departed.emplace_back(row.text(0));
  return view;
}

}  // namespace

void hold_lease(store::Transaction& tx, const ReplicaId& replica) {
  const auto sql = tx.dialect() == store::Dialect::postgres ? kHoldPostgres : kHoldSqlite;
  if (tx.query_held(sql, {replica.str()}).empty())
    throw base::Error(base::ErrorClass::transient, "REPLICA_FENCED",
                      "this hub's lease has been taken by another replica; ask again");
}

std::int64_t count_replicas(store::Transaction& tx) {
  return tx.query("SELECT COUNT(*) FROM replicas").front().integer(0);
}

bool is_eldest(store::Transaction& tx, const ReplicaId& replica) {
  return tx.query("SELECT MIN(id) FROM replicas").front().text_or_null(0) == replica.str();  // ids grow
}

Membership::Membership(store::Database& database, base::EventLoop& loop, const base::Clock& clock, LeaseOptions options,
                       Events events)
    : database_(database),
      loop_(loop),
      clock_(clock),
      options_(std::move(options)),
      events_(std::move(events)),
      // One look less than the others need: what begins now is known to begin before they can evict us.
      lease_(std::make_shared<Lease>(
          clock, options_.sole ? Duration::max() : options_.beat_every * (options_.silent_looks_max - 1))),
      alive_(std::make_shared<Membership*>(this)) {}

Membership::~Membership() { loop_.cancel(timer_); }

void Membership::join(ReplicaId id, std::function<void(std::exception_ptr)> done) {
  loop_.cancel(std::exchange(timer_, 0));
  self_ = std::move(id);
  lease_->held_ = false;
  others_.clear();
  const auto asked_at = base::to_unix_ms(clock_.monotonic());
  database_.write(
      [self = self_, name = options_.name, sole = options_.sole, now = clock_.now()](store::Transaction& tx) {
        tx.execute("INSERT INTO replicas (id, name, joined_at) VALUES ($1, $2, $3)", {self.str(), name, now});
        if (sole) depart_all_others(tx, self.str(), now);
      },
      [this, alive = std::weak_ptr(alive_), &loop = loop_, asked_at, self = self_,
       done = std::move(done)](std::exception_ptr failure) {
        loop.post([this, alive, asked_at, self, done, failure] {
          if (!alive.lock() || self != self_) return;
          lease_->held_ = !failure;
          lease_->confirmed_at_ = asked_at;
          done(failure);
          if (lease_->is_held()) look();
        });
      });
}

void Membership::leave(std::function<void(std::exception_ptr)> done) {
  loop_.cancel(std::exchange(timer_, 0));
  if (!lease_->held_.exchange(false)) return done(nullptr);
  database_.write(
      [self = self_, now = clock_.now()](store::Transaction& tx) {
        if (tx.execute("DELETE FROM replicas WHERE id = $1", {self.str()}) > 0) say_departed(tx, self.str(), now);
      },
      [alive = std::weak_ptr(alive_), &loop = loop_, done = std::move(done)](std::exception_ptr failure) {
        loop.post([alive, done, failure] {
          if (alive.lock()) done(failure);
        });
      });
}

void Membership::look_now() {
  if (!lease_->is_held()) return;
  if (looking_) {
    look_again_ = true;
    return;
  }
  loop_.cancel(std::exchange(timer_, 0));
  look();
}

void Membership::plan_look() {
  if (!lease_->is_held()) return;
  const Duration wait = std::exchange(look_again_, false) ? Duration(0) : options_.beat_every;
  timer_ = loop_.post_at(clock_.now() + wait, [this] {
    timer_ = 0;
    look();
  });
}

void Membership::look() {
  looking_ = true;
  const auto asked_at = base::to_unix_ms(clock_.monotonic());
  auto view = std::make_shared<View>();
  auto work = [view, self = self_, sole = options_.sole](store::Transaction& tx) {
    if (!sole && tx.execute("UPDATE replicas SET beat = beat + 1 WHERE id = $1", {self.str()}) == 0) {
      *view = {.fenced = true};
    } else {
      *view = look_at(tx, self.str());
    }
  };
  auto done = [this, alive = std::weak_ptr(alive_), &loop = loop_, view, asked_at,
               self = self_](std::exception_ptr failure) {
    loop.post([this, alive, view, asked_at, self, failure] {
      if (!alive.lock()) return;
      looking_ = false;
      if (!lease_->is_held() || self != self_) return;
      if (!failure && view->fenced) {
        lease_->held_ = false;
        return events_.on_lost();
      }
      if (!failure) {
        lease_->confirmed_at_ = asked_at;
        watch(view->others);
        events_.on_look(view->departed);
      }
      plan_look();
    });
  };
  // Alone there is nobody to show life to: a laptop's disk may sleep.
  options_.sole ? database_.read(std::move(work), std::move(done)) : database_.write(std::move(work), std::move(done));
}

void Membership::watch(const std::map<std::string, std::int64_t>& others) {
  std::erase_if(others_, [&](const auto& seen) { return !others.contains(seen.first); });
  const Instant now = clock_.monotonic();
  for (const auto& [id, beat] : others) {
    const auto [seen, is_new] = others_.try_emplace(id, Seen{.beat = beat, .counted_at = now});
    Seen& other = seen->second;
    if (std::exchange(other.beat, beat) != beat) {
      other = {.beat = beat, .counted_at = now};
    } else if (!is_new && now - other.counted_at >= options_.beat_every) {
      other.counted_at = now;
      // And again at every look until it is gone: a commit of its may hold the row for a while.
      if (++other.silent_looks >= options_.silent_looks_max) evict(id, beat);
    }
  }
}

void Membership::evict(const std::string& replica, std::int64_t beat) {
  // Not together with our own beat: two that hold each other for dead must not wait for each other's rows.
  auto gone = std::make_shared<bool>();
  database_.write(
      [replica, beat, gone, now = clock_.now()](store::Transaction& tx) {
        const auto sql = tx.dialect() == store::Dialect::postgres ? kEvictPostgres : kEvictSqlite;
        *gone = tx.execute(sql, {replica, beat}) > 0;
        if (*gone) say_departed(tx, replica, now);
      },
      [this, gone, alive = std::weak_ptr(alive_), &loop = loop_](std::exception_ptr failure) {
        loop.post([this, gone, alive, failure] {
          if (alive.lock() && !failure && *gone) look_now();
        });
      });
}

}  // namespace slipway::durable
