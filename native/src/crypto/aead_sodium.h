// The AEAD back end on libsodium: runs everywhere, one packet at a time; the others are tested against it.
#pragma once

#include "crypto/aead.h"

namespace weft::crypto {

const Aead& sodium_aead();

}  // namespace weft::crypto
