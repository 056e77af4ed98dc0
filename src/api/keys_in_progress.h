#pragma once
// Idempotency keys whose first request is at work in this process. For the loop's thread.

#include <memory>
#include <optional>
#include <set>
#include <string>

namespace slipway::api {

class KeysInProgress {
  using Keys = std::set<std::string>;

 public:
  // Gives the key back when it goes.
  class Claim {
   public:
    Claim(std::shared_ptr<Keys> keys, Keys::iterator key) : keys_(std::move(keys)), key_(key) {}
    Claim(Claim&& other) noexcept : keys_(std::move(other.keys_)), key_(other.key_) {}
    Claim& operator=(Claim&& other) noexcept {
      std::swap(keys_, other.keys_);
      std::swap(key_, other.key_);
      return *this;
    }
    ~Claim() {
      if (keys_) keys_->erase(key_);
    }

   private:
    std::shared_ptr<Keys> keys_;
    Keys::iterator key_;
  };

  // Empty when another request holds it.
  std::optional<Claim> claim(const std::string& caller, const std::string& key) {
    const auto [at, inserted] = keys_->insert(caller + "\n" + key);
    if (!inserted) return std::nullopt;
    return Claim(keys_, at);
  }

 private:
  std::shared_ptr<Keys> keys_ = std::make_shared<Keys>();
};

}  // namespace slipway::api
