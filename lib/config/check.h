/*
 * check - what is wrong with keys that are each right.
 */
#ifndef CONFIG_CHECK_H
#define CONFIG_CHECK_H

#include "config/config_priv.h"

void check_config(const struct config *cf, struct config_errors *errs);

#endif
