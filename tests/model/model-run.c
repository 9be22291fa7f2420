/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Runs: of a list of events, at random, and of all lists of a small scope. */

#include "config.h"

#include "model-run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* A batch is not done by then: something goes round and round. */
#define BATCH_SECONDS 3000
#define LIST_SECONDS 60

Record *
model_record_new (void)
{
  Record *record = mmap (NULL, sizeof *record, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

  g_assert_true (record != MAP_FAILED);
  return record;
}

void
model_record_free (Record *record)
{
  munmap (record, sizeof *record);
}

static void
become_quiet (void)
{
  int null = open ("/dev/null", O_WRONLY);

  dup2 (null, STDERR_FILENO);
  close (null);
}

static gboolean
wait_for (pid_t child, Record *record)
{
  int status;

  while (waitpid (child, &status, 0) < 0)
    g_assert_true (errno == EINTR);

  if (WIFSIGNALED (status) && record->failure[0] == '\0')
    g_snprintf (record->failure, sizeof record->failure, "the process was killed by signal %d%s", WTERMSIG (status),
                WTERMSIG (status) == SIGALRM ? ": it did not come to an end"
                : WTERMSIG (status) == SIGABRT ? ": an assertion of the library" : "");
  else if (!WIFSIGNALED (status) && WEXITSTATUS (status) != 0 && record->failure[0] == '\0')
    g_snprintf (record->failure, sizeof record->failure, "the process exited with %d", WEXITSTATUS (status));

  return record->failure[0] == '\0';
}

/* Whether all went well; RECORD says what did not. QUIET: an assertion that
 * fails is known already, or expected. */
gboolean
model_run_in_child (Record *record, ModelRunFunc func, gconstpointer data, gboolean quiet)
{
  pid_t child;

  record->failure[0] = '\0';
  fflush (NULL);
  child = fork ();
  g_assert_cmpint (child, >=, 0);
  if (child > 0)
    return wait_for (child, record);

  if (quiet)
    become_quiet ();
  alarm (data != NULL ? BATCH_SECONDS : LIST_SECONDS);
  func (record, data);
  fflush (NULL);
  _exit (record->failure[0] != '\0');
}

static void
mix (Record *record, guint64 value)
{
  record->digest = (record->digest ^ value) * G_GUINT64_CONSTANT (1099511628211);
}

static void
note_state (Record *record, Model *model)
{
  LpPool *pool = model->pool;

  for (guint i = 0; i < LP_N_SLOT_STATES; i++)
    {
      record->n_slots[i] += pool->n_slots[i];
      mix (record, pool->n_slots[i]);
    }
  mix (record, pool->waiters.n_waiters);
  mix (record, pool->counters.acquired);
  mix (record, pool->last_seq);
  mix (record, (guint64) lp_clock_now ());
  for (guint i = 0; i < model->tasks->len; i++)
    {
      Task *task = model->tasks->pdata[i];

      record->n_jobs[task->state]++;
      record->n_leases[task->acquire->state]++;
      mix (record, task->state);
    }
}

static Model *
begin (Record *record)
{
  record->n_events = 0;
  record->n_runs++;
  return model_new (&record->config);
}

/* Noted before it is applied, which may be the last that this process does. */
static gboolean
apply (Record *record, Model *model, const Event *event)
{
  record->events[record->n_events++] = *event;
  if (!model_apply (model, event))
    {
      record->n_events--;
      return FALSE;
    }

  record->n_total++;
  record->n_kinds[event->kind]++;
  note_state (record, model);
  return TRUE;
}

/* Whether there was no failure. */
static gboolean
end (Record *record, Model *model)
{
  model_end (model);
  if (model->failure != NULL)
    {
      g_strlcpy (record->failure, model->failure, sizeof record->failure);
      return FALSE;
    }

  g_free (model);
  return TRUE;
}

static void
run_seed (Record *record, guint64 seed, guint n_events)
{
  guint64 random = seed * G_GUINT64_CONSTANT (0x9E3779B97F4A7C15) + 1;
  const Event start = { EVENT_START, 0, 0 };
  Model *model;

  for (guint i = 0; i < 8; i++)
    model_random (&random);
  record->seed = seed;
  model_config_random (&record->config, &random);
  model = begin (record);
  apply (record, model, &start);
  while (record->n_events < n_events && model->failure == NULL)
    {
      Event event = model_event_random (&record->config, &random);

      apply (record, model, &event);
    }
  end (record, model);
}

void
model_run_random (Record *record, gconstpointer data)
{
  const RandomScope *scope = data;

  for (guint i = 0; i < scope->n_runs && record->failure[0] == '\0'; i++)
    run_seed (record, scope->first_seed + i, scope->n_events);
}

/* The list of RECORD, as far as its events can be applied. */
void
model_run_list (Record *record, gconstpointer unused)
{
  guint n_events = record->n_events;
  g_autofree Event *events = g_memdup2 (record->events, sizeof (Event) * n_events);
  Model *model = begin (record);

  for (guint i = 0; i < n_events && model->failure == NULL; i++)
    apply (record, model, &events[i]);
  end (record, model);
}

/* One list: as far as LETTERS says, from there on with the first letter that can
 * be applied. Returns how far it came; LETTERS are then those it took. */
static guint
run_letters (Record *record, const SmallScope *scope, guint *letters)
{
  const Event start = { EVENT_START, 0, 0 };
  Model *model = begin (record);
  guint i;

  apply (record, model, &start);
  for (i = 0; i < scope->depth && model->failure == NULL; i++)
    {
      while (letters[i] < scope->n_letters && !apply (record, model, &scope->alphabet[letters[i]]))
        letters[i]++;
      if (letters[i] == scope->n_letters)
        break;
    }
  end (record, model);

  return i;
}

/* All lists of up to DEPTH letters: after each step is checked what holds after
 * it, so the shorter ones are the beginnings of the longest. */
void
model_run_small (Record *record, gconstpointer data)
{
  const SmallScope *scope = data;
  g_autofree guint *letters = g_new0 (guint, scope->depth + 1);
  guint length;

  record->seed = 0;
  record->config = scope->config;
  do
    {
      length = run_letters (record, scope, letters);
      memset (letters + length, 0, sizeof (guint) * (scope->depth - length));
      if (length > 0)
        letters[length - 1]++;
    }
  while (length > 0 && record->failure[0] == '\0');
}
