<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

/** Serves one connection until it ends: that is a worker's whole life. One call at a time, in order of arrival. */
final class Worker
{
    /** Between two calls: what was taken back must be seen before it begins. */
    private const MAX_READS = 16;

    private function __construct(
        private readonly Connection $connection,
        private readonly Requests $requests,
        private readonly Attempts $attempts,
        private readonly Usage $usage,
        private readonly Stderr $stderr,
    ) {
    }

    public static function live(Listening $listening, Application $application, Start $start, ?Sentinel $sentinel, int $bornNs): never
    {
        // From here on they run in calls: one that throws would end a worker that waits.
        $signals = $application->loaded ? Signals::hold() : null;
        $connection = $listening->accept();
        if ($connection === null) {
            Process::end(0);
        }
        $pid = (int) getmypid();
        $stderr = new Stderr($start->uploads);
        $usage = new Usage($pid);
        $attempts = new Attempts($application, new Reply($connection), $usage, $stderr, $sentinel, $pid, $bornNs);
        $worker = new self($connection, new Requests($start->uploads, null), $attempts, $usage, $stderr);
        Process::atEnd($worker->afterEnd(...));
        Printed::begin();
        if ($application->loaded) {
            $attempts->loaded($signals);
        }
        $worker->loop();
    }

    private function loop(): never
    {
        $status = 0;
        try {
            while ($this->next()) {
            }
        } catch (\Throwable $broken) {
            $this->stderr->tellEnd($broken);
            $status = Process::BROKEN;
        }
        $this->attempts->drop();
        $this->requests->drop();
        $this->connection->end();
        Process::end($status);
    }

    /** One call; what came in the meantime is read before it begins. False at the end. */
    private function next(): bool
    {
        if ($this->requests->queue === []) {
            $this->usage->forget();
            $bytes = $this->connection->read();
            if ($bytes === null) {
                return false;
            }
        } else {
            $bytes = $this->connection->look();
        }
        for ($reads = 1; $bytes !== ''; ++$reads) {
            $this->requests->push($bytes);
            // A file that keeps coming keeps no complete call waiting.
            $bytes = $reads < self::MAX_READS && $this->connection->wasFull($bytes) ? $this->connection->look() : '';
        }
        if ($this->requests->replies !== '') {
            $replies = $this->requests->replies;
            $this->requests->replies = '';
            if (!$this->connection->write($replies)) {
                return false;
            }
        }
        foreach ($this->requests->queue as $key => $request) {
            unset($this->requests->queue[$key]);

            return $this->attempts->serve($request);
        }

        return true;
    }

    private function afterEnd(): void
    {
        $this->attempts->afterEnd();
        $last = $this->requests->last($this->connection);
        if ($last !== '') {
            $this->connection->write($last);
        }
        $this->attempts->drop();
        $this->requests->drop();
        $this->connection->end();
        $this->attempts->runHooks();
    }
}
