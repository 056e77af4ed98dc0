#include "app/cli/http_transport.h"

#include <charconv>
#include <condition_variable>
#include <deque>
#include <mutex>

namespace slipway::app::cli {

namespace {

using base::Error;
using base::ErrorClass;

// `Prefer: wait` is not used here: an answer that takes longer than this is lost.
constexpr base::Duration kAnswerWithin = std::chrono::seconds(60);
// The hub sends a comment on an idle stream at least this often; silence beyond means that it is gone.
constexpr base::Duration kStreamSilenceMax = std::chrono::seconds(45);
constexpr auto kIdleTick = std::chrono::milliseconds(100);

Error unreachable(const std::string& url, const Error& cause) {
  return Error(ErrorClass::transient, std::string(kHubUnreachable),
               "the hub at " + url + " is not reachable: " + cause.message());
}

// What the network did wrong may pass; what the client refuses (a broken URL, an answer too large) does not.
bool is_lost_connection(const Error& error) { return error.error_class() == ErrorClass::transient; }

Answer to_answer(net::ClientResponse response) {
  Answer answer{response.status, std::move(response.body)};
  if (const auto after = response.headers.get("Retry-After")) {
    int seconds = 0;
    const auto [end, failure] = std::from_chars(after->data(), after->data() + after->size(), seconds);
    if (failure == std::errc() && seconds >= 0) answer.retry_after = std::chrono::seconds(seconds);
  }
  return answer;
}

// What the client's thread hands to ours.
class Inbox {
 public:
  void put(std::string_view bytes) {
    const std::scoped_lock lock(mutex_);
    pieces_.emplace_back(bytes);
    changed_.notify_one();
  }
  void finish(net::ClientOutcome outcome) {
    const std::scoped_lock lock(mutex_);
    outcome_ = std::move(outcome);
    changed_.notify_one();
  }
  // The next piece; empty after a tick without one. `finished` is set when no more will come.
  std::optional<std::string> next(bool& finished) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kIdleTick, [&] { return !pieces_.empty() || outcome_; });
    finished = pieces_.empty() && outcome_;
    if (pieces_.empty()) return std::nullopt;
    std::string piece = std::move(pieces_.front());
    pieces_.pop_front();
    return piece;
  }
  net::ClientOutcome wait_outcome() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return outcome_.has_value(); });
    return *std::move(outcome_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> pieces_;
  std::optional<net::ClientOutcome> outcome_;
};

}  // namespace

net::ClientRequest HttpTransport::request_for(const Call& call) const {
  net::ClientRequest request;
  const auto method = net::parse_method(call.method);
  SLIPWAY_ASSERT(method.has_value());
  request.method = *method;
  if (url_.starts_with("unix:")) {
    request.unix_socket = url_.substr(5);
    request.url = "http://localhost" + call.target;
    request.direct = true;
  } else {
    request.url = (url_.ends_with('/') ? url_.substr(0, url_.size() - 1) : url_) + call.target;
  }
  for (const auto& [name, value] : call.headers) request.headers.add(name, value);
  request.body = call.body;
  request.timeout = kAnswerWithin;
  return request;
}

Answer HttpTransport::send(const Call& call) {
  try {
    return to_answer(client_.fetch(request_for(call)));
  } catch (const Error& error) {
    if (is_lost_connection(error)) throw unreachable(url_, error);
    throw;
  }
}

Answer HttpTransport::stream(const Call& call, const StreamSink& sink) {
  Inbox inbox;
  net::ClientRequest request = request_for(call);
  request.timeout = base::Duration(0);
  request.stall_timeout = kStreamSilenceMax;
  request.on_data = [&inbox](std::string_view bytes) {
    inbox.put(bytes);
    return true;
  };
  const auto id =
      client_.send(std::move(request), [&inbox](net::ClientOutcome outcome) { inbox.finish(std::move(outcome)); });
  bool finished = false;
  bool wanted = true;
  try {
    while (wanted && !finished) {
      const auto piece = inbox.next(finished);
      if (piece)
        wanted = sink.on_bytes(*piece);
      else if (!finished)
        wanted = sink.on_idle();
    }
  } catch (...) {
    client_.cancel(id);
    inbox.wait_outcome();  // the client's thread still writes to the inbox until then
    throw;
  }
  if (!wanted) client_.cancel(id);
  net::ClientOutcome outcome = inbox.wait_outcome();
  if (!wanted) return Answer{200};
  if (outcome) return to_answer(*std::move(outcome));
  if (is_lost_connection(outcome.error())) throw unreachable(url_, outcome.error());
  throw std::move(outcome).error();
}

}  // namespace slipway::app::cli
