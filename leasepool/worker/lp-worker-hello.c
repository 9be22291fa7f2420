/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What a worker process and its manager say first and last. */

#include "config.h"

#include "lp-worker-private.h"

#include <unistd.h>

#include "lp-module-private.h"

/* How many calls may wait here: enough to hide the way to the manager. */
#define DEPTH 16

static GVariant *
describe_functions (LpFunctions *functions)
{
  g_auto (GStrv) names = lp_functions_list_names (functions);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(sss)"));
  for (gsize i = 0; names[i] != NULL; i++)
    {
      const GVariantType *parameter_type, *result_type;
      g_autofree char *parameters = NULL;
      g_autofree char *result = NULL;

      lp_functions_lookup (functions, names[i], &parameter_type, &result_type);
      parameters = parameter_type != NULL ? g_variant_type_dup_string (parameter_type) : g_strdup ("");
      result = result_type != NULL ? g_variant_type_dup_string (result_type) : g_strdup ("");
      g_variant_builder_add (&builder, "(sss)", names[i], parameters, result);
    }

  return g_variant_builder_end (&builder);
}

static GVariant *
make_hello (LpWorker *self)
{
  GBytes *nonce = lp_channel_get_nonce (self->channel);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&builder, "{sv}", "version", g_variant_new_uint32 (LP_PROTOCOL_VERSION));
  g_variant_builder_add (&builder, "{sv}", "pid", g_variant_new_uint32 ((guint32) getpid ()));
  g_variant_builder_add (&builder, "{sv}", "functions", describe_functions (self->functions));
  g_variant_builder_add (&builder, "{sv}", "depth", g_variant_new_uint32 (DEPTH));
  g_variant_builder_add (&builder, "{sv}", "late-start", g_variant_new_boolean (TRUE));
  if (nonce != NULL)
    g_variant_builder_add (&builder, "{sv}", "nonce",
                           g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, nonce, TRUE));

  return g_variant_builder_end (&builder);
}

static gboolean
check_version (GVariant *hello, GError **error)
{
  guint32 version = 0;

  g_variant_lookup (hello, "version", "u", &version);
  if (version == LP_PROTOCOL_VERSION)
    return TRUE;

  g_set_error (error, LP_ERROR, LP_ERROR_PROTOCOL,
               "The manager speaks version %u of the worker protocol, this worker speaks version %d", version,
               LP_PROTOCOL_VERSION);
  return FALSE;
}

static gboolean
run_init (LpWorker *self, const char *name, GError **error)
{
  g_autoptr (GVariant) parameters = NULL;
  GError *init_error;

  g_variant_lookup (self->hello, "init-parameters", "v", &parameters);
  init_error = lp_job_run_init (self->functions, name, parameters);
  if (init_error == NULL)
    return TRUE;

  g_propagate_error (error, init_error);
  return FALSE;
}

/* Does what the hello of the manager asks for. */
gboolean
lp_worker_configure (LpWorker *self, GError **error)
{
  guint32 level = 0;
  const char *module = NULL;
  const char *init_function = NULL;

  if (!check_version (self->hello, error))
    return FALSE;

  g_variant_lookup (self->hello, "log-level", "u", &level);
  g_variant_lookup (self->hello, "log-to-stderr", "b", &self->log_to_stderr);
  g_variant_lookup (self->hello, "module", "&s", &module);
  g_variant_lookup (self->hello, "init-function", "&s", &init_function);

  self->log_level = level;
  lp_worker_forward_logs (self);

  return (module == NULL || lp_module_load (module, self->functions, error))
         && (init_function == NULL || run_init (self, init_function, error));
}

/* FALSE: there are too many functions to tell of. */
gboolean
lp_worker_greet (LpWorker *self, GError **error)
{
  gboolean sent;

  lp_worker_lock (self);
  sent = lp_channel_send (self->channel, LP_FRAME_HELLO, 0, make_hello (self), NULL);
  if (sent && lp_channel_get_nonce (self->channel) != NULL)
    lp_channel_use_files (self->channel);
  lp_worker_flush_locked (self);
  lp_worker_unlock (self);

  if (!sent)
    g_set_error (error, LP_ERROR, LP_ERROR_START_FAILED,
                 "What functions there are does not fit into a hello of max-message-size (%" G_GSIZE_FORMAT ") bytes",
                 lp_channel_get_max_body (self->channel));
  return sent;
}

/* The last frame: GOODBYE, or why it could not start. */
void
lp_worker_farewell (LpWorker *self, const GError *error)
{
  lp_worker_lock (self);
  if (error != NULL)
    lp_worker_send_error_locked (self, 0, error);
  else
    lp_channel_send (self->channel, LP_FRAME_GOODBYE, 0, NULL, NULL);
  self->closed = TRUE;
  lp_worker_flush_locked (self);
  lp_worker_unlock (self);
}
