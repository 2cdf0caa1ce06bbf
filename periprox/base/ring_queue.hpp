// A first-in, first-out queue that stops allocating once it has grown to its working size.
#pragma once

#include <bit>
#include <cstddef>
#include <utility>
#include <vector>

namespace periprox {

/// A growing ring of T. T is default-constructible; a popped place holds a moved-from T.
template <typename T>
class RingQueue {
 public:
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] T& front() { return places_[head_]; }
  [[nodiscard]] const T& front() const { return places_[head_]; }
  [[nodiscard]] T& back() { return (*this)[size_ - 1]; }
  /// The i-th from the front; i < size().
  [[nodiscard]] T& operator[](std::size_t i) { return places_[(head_ + i) & (places_.size() - 1)]; }

  T& push(T value) {
    if (size_ == places_.size()) grow();
    T& place = places_[(head_ + size_) & (places_.size() - 1)];
    place = std::move(value);
    ++size_;
    return place;
  }
  T pop() {
    T value = std::exchange(places_[head_], T{});
    head_ = (head_ + 1) & (places_.size() - 1);
    --size_;
    return value;
  }

 private:
  void grow() {
    std::vector<T> larger(places_.empty() ? 8 : places_.size() * 2);
    for (std::size_t i = 0; i < size_; ++i) larger[i] = std::move((*this)[i]);
    places_ = std::move(larger);
    head_ = 0;
  }

  std::vector<T> places_;  // Its size is a power of two.
  std::size_t head_ = 0;
  std::size_t size_ = 0;
};

}  // namespace periprox
