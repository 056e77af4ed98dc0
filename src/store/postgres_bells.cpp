#include "store/postgres_bells.h"

#include <libpq-fe.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "store/postgres_connection.h"

namespace slipway::store {
namespace {

// Bells only save time, so a server that is away is not stormed for them.
constexpr base::Duration kBackOff{500};
// Bells of one statement.
constexpr std::size_t kSentTogether = 50;
constexpr base::Duration kForever = std::chrono::hours(24);

bool is_named_like_a_column(std::string_view channel) {
  return !channel.empty() && std::ranges::all_of(channel, [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

// feature_not_supported, syntax_error, undefined_function: a server that has no bells.
bool is_unknown_there(const PGresult* result) {
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const std::string_view code = state ? state : "";
  return code == "0A000" || code == "42601" || code == "42883";
}

}  // namespace

void PostgresBells::Close::operator()(pg_conn* connection) const { PQfinish(connection); }

PostgresBells::PostgresBells(std::string url)
    : url_(std::move(url)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), thread_([this] { run(); }) {
  SLIPWAY_ASSERT(wake_);
}

PostgresBells::~PostgresBells() {
  stopping_ = true;
  ::eventfd_write(wake_.get(), 1);
  thread_.join();
}

std::unique_ptr<Listening> PostgresBells::listen(std::string channel, Bell bell) {
  SLIPWAY_ASSERT(is_named_like_a_column(channel));
  auto listening = listeners_.add(std::move(channel), std::move(bell));
  ::eventfd_write(wake_.get(), 1);
  return listening;
}

void PostgresBells::ring(std::string_view channel, std::string_view word) {
  SLIPWAY_ASSERT(is_named_like_a_column(channel));
  if (!has_bells_) return;
  {
    const std::lock_guard lock(mutex_);
    rung_.add(channel, word);
  }
  ::eventfd_write(wake_.get(), 1);
}

void PostgresBells::run() {
  Connection connection;
  while (!is_stopping()) {
    serve(connection);
    connection.reset();
    heard_of_.clear();
    const auto until = std::chrono::steady_clock::now() + kBackOff;  // rings meanwhile must not storm the server
    while (!is_stopping() && std::chrono::steady_clock::now() < until) wait(-1, 0, kBackOff);
  }
}

// Returns when the connection is of no use any more, or it is time to end.
void PostgresBells::serve(Connection& connection) {
  while (!is_stopping()) {
    // All is asked again before each long wait: a wait for the server may have swallowed the call that there is more to
    // do, or that it is time to end.
    const bool is_needed = has_bells_ && (connection || has_something_to_do());
    if (!is_needed) {
      wait(-1, 0, kForever);
      continue;
    }
    if (!connection && !connect(connection)) return;
    if (!listen_to_new_channels(connection.get()) || !send_rung(connection.get())) return;
    if (!hear(connection.get())) return;
    if (is_stopping() || has_something_to_do()) continue;
    wait(PQsocket(connection.get()), POLLIN, kForever);
    if (!PQconsumeInput(connection.get())) return;
  }
}

bool PostgresBells::has_something_to_do() {
  const auto is_new = [&](const std::string& channel) { return !heard_of_.contains(channel); };
  if (std::ranges::any_of(listeners_.channels(), is_new)) return true;
  const std::lock_guard lock(mutex_);
  return !rung_.empty();
}

bool PostgresBells::connect(Connection& connection) {
  connection.reset(connect_to_postgres(url_, "slipway bells", PostgresMode::write));
  if (PQstatus(connection.get()) != CONNECTION_OK || PQsetnonblocking(connection.get(), 1) != 0) return false;
  PQsetNoticeReceiver(connection.get(), [](void*, const PGresult*) {}, nullptr);
  // Each NOTIFY is a transaction, and need not survive anything.
  return execute(connection.get(), "SET synchronous_commit = off");
}

bool PostgresBells::listen_to_new_channels(pg_conn* connection) {
  for (const std::string& channel : listeners_.channels()) {
    if (heard_of_.contains(channel)) continue;
    if (!execute(connection, "LISTEN " + channel)) return false;
    heard_of_.insert(channel);
    listeners_.call(channel, "");
  }
  return true;
}

bool PostgresBells::send_rung(pg_conn* connection) {
  std::vector<RungBells::Rung> rung;
  {
    const std::lock_guard lock(mutex_);
    rung = rung_.take();
  }
  for (auto next = rung.begin(); next != rung.end();) {
    const auto end = next + std::min<std::ptrdiff_t>(rung.end() - next, kSentTogether);
    std::string sql = "SELECT ";
    std::vector<std::string> parameters;
    for (; next != end; ++next) {
      const std::size_t first = parameters.size() + 1;
      sql += (first == 1 ? "pg_notify($" : ", pg_notify($") + std::to_string(first) + ", $" +
             std::to_string(first + 1) + ")";
      parameters.push_back(std::move(next->first));
      parameters.push_back(std::move(next->second));
    }
    if (!execute(connection, sql, parameters)) return false;
  }
  return true;
}

// False when the connection is of no use any more.
bool PostgresBells::execute(pg_conn* connection, const std::string& sql, const std::vector<std::string>& parameters) {
  std::vector<const char*> values;
  for (const std::string& parameter : parameters) values.push_back(parameter.c_str());
  if (!PQsendQueryParams(connection, sql.c_str(), int(values.size()), nullptr, values.data(), nullptr, nullptr, 0))
    return false;
  const auto deadline = std::chrono::steady_clock::now() + kAnswerTimeout;
  bool succeeded = true;
  for (;;) {
    const int unsent = PQflush(connection);
    if (unsent < 0) return false;
    if (unsent > 0 || PQisBusy(connection)) {
      if (is_stopping() || std::chrono::steady_clock::now() >= deadline) return false;
      wait(PQsocket(connection), short(unsent > 0 ? POLLIN | POLLOUT : POLLIN), kAnswerTimeout);
      if (!PQconsumeInput(connection)) return false;
      continue;
    }
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQgetResult(connection), PQclear);
    if (!result) return succeeded && PQstatus(connection) == CONNECTION_OK;
    const ExecStatusType status = PQresultStatus(result.get());
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) continue;
    succeeded = false;
    if (is_unknown_there(result.get())) has_bells_ = false;
  }
}

bool PostgresBells::hear(pg_conn* connection) {
  while (PGnotify* notification = PQnotifies(connection)) {
    listeners_.call(notification->relname, notification->extra);
    PQfreemem(notification);
  }
  return PQstatus(connection) == CONNECTION_OK;
}

// Until the socket is ready, somebody listens, rings or ends, or the time is over.
void PostgresBells::wait(int socket, short events, base::Duration at_most) {
  pollfd watched[] = {{wake_.get(), POLLIN, 0}, {socket, events, 0}};  // poll passes a negative one over
  ::poll(watched, 2, int(at_most.count()));
  eventfd_t count;
  ::eventfd_read(wake_.get(), &count);
}

}  // namespace slipway::store
