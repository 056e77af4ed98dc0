#pragma once
// What tests of this room and of those above stand on: a clock that is set, and a server that answers what it is told.

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/random.h"
#include "google/token_source.h"
#include "net/testing/loop.h"

namespace slipway::google::testing {

class SetClock final : public base::Clock {
 public:
  base::Instant now() const override { return base::from_unix_ms(ms_.load()); }
  void advance(base::Duration by) { ms_ += by.count(); }

 private:
  std::atomic<std::int64_t> ms_{1'700'000'000'000};
};

// An HTTP server on loopback. `answer` runs on its thread. Keeps every request. Thread-safe.
class FakeServer {
 public:
  using Answer = std::function<net::Response(const net::Request&)>;

  explicit FakeServer(Answer answer = [](const net::Request&) { return net::json_response(200, "{}"); })
      : answer_(std::move(answer)), server_([this](net::Exchange& exchange) -> net::Awaitable<void> {
          const net::Request request = exchange.request();
          Answer answer;
          {
            const std::lock_guard lock(mutex_);
            requests_.push_back(request);
            answer = answer_;
          }
          co_await exchange.respond(answer(request));
        }) {}

  std::string url() const { return server_.url(""); }
  void set(Answer answer) {
    const std::lock_guard lock(mutex_);
    answer_ = std::move(answer);
  }
  std::vector<net::Request> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  std::size_t count() const { return requests().size(); }

 private:
  mutable std::mutex mutex_;
  Answer answer_;
  std::vector<net::Request> requests_;
  net::testing::ServerThread server_;
};

// Gives token-1, token-2 … one more after each rejection.
class CountingTokens final : public TokenSource {
 public:
  base::Secret token(std::stop_token) override { return base::Secret("token-" + std::to_string(number_)); }
  void reject(const base::Secret& token) override {
    if (token.reveal() == "token-" + std::to_string(number_)) ++number_;
  }

 private:
  std::atomic<int> number_ = 1;
};

// A file with this text, as long as it lives.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& text)
      : path_(std::filesystem::temp_directory_path() / ("slipway-google-" + base::random_token(9))) {
    write(text);
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  void write(const std::string& text) const { std::ofstream(path_, std::ios::binary | std::ios::trunc) << text; }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace slipway::google::testing
