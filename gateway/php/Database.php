<?php

declare(strict_types=1);

namespace FpmGateway;

use FpmGateway\Client\Deadline;
use FpmGateway\Pooling\Places;

/**
 * A PDO connection that is there when it is needed, in processes that live for one call as in those that live for days:
 * made at first use, not shared with forks, checked after long idleness, replaced when it is dead or old. A transaction
 * that a call leaves open is rolled back before the worker serves another. In a concurrent worker all
 * calls share it, one query at a time: `transaction()` holds the others off. `$call->pool()` gives each its own.
 *
 *     $database = new Database('mysql:host=db;dbname=shop', 'shop', $password);
 *     $database->query('SELECT name FROM products WHERE id = ?', [$id])->fetchColumn();
 *
 * Keep this object, not what `pdo()` returns.
 */
final class Database
{
    /** @var list<\PDO> of a parent process: closing one would close it for the parent */
    private static array $inherited = [];

    private ?\PDO $pdo = null;
    private int $pid = 0;
    private int $connectedNs = 0;
    private int $usedNs = 0;
    /** The call in which it was last seen to be fit. */
    private int $judgedIn = 0;
    private int $depth = 0;
    /** The call whose transaction holds the others off, where many run at once. */
    private ?object $holder = null;
    /** @var \WeakReference<object>|null */
    private ?\WeakReference $lastUser = null;
    private ?Places $places = null;

    /**
     * @param string            $dsn              as for PDO
     * @param array<int, mixed> $options          as for PDO; errors are thrown unless they say otherwise
     * @param int               $checkAfterIdleMs ask the server whether it still answers when unused for longer
     * @param int               $ageMaxMs         then a new connection is made, between transactions: for servers and balancers that end old ones
     * @param string            $checkSql         what is asked; it must answer with a row
     * @param (\Closure(): \PDO)|null $connect       makes the connection, where `new PDO()` with the above will not do
     */
    public function __construct(
        private readonly string $dsn,
        private readonly ?string $user = null,
        #[\SensitiveParameter]
        private readonly ?string $password = null,
        private readonly array $options = [],
        private readonly int $checkAfterIdleMs = 30_000,
        private readonly int $ageMaxMs = 3_600_000,
        private readonly string $checkSql = 'SELECT 1',
        private readonly ?\Closure $connect = null,
    ) {
    }

    /**
     * The connection, alive as far as is known. Ask for it in each call.
     *
     * @throws \PDOException when there is none to be had
     */
    public function pdo(): \PDO
    {
        if (Wait::$scheduler !== null) {
            $this->awaitOthers(Wait::$scheduler->owner());
        }
        if ($this->pdo !== null && $this->pid !== getmypid()) {
            self::$inherited[] = $this->pdo;
            $this->drop();
        }
        $call = Call::running();
        // Once in a call: behind an INSERT another connection would not know its id. A long script is asked as often as it asks.
        if ($this->pdo !== null && ($call === 0 || $call !== $this->judgedIn) && !$this->pdo->inTransaction() && !$this->isFit($this->pdo)) {
            $this->drop();
        }
        $this->judgedIn = $call;
        $this->pdo ??= $this->open();
        $this->usedNs = hrtime(true);

        return $this->pdo;
    }

    /**
     * Runs a prepared statement.
     *
     * @param array<int|string, mixed> $parameters by position or by name
     */
    public function query(string $sql, array $parameters = []): \PDOStatement
    {
        $statement = $this->pdo()->prepare($sql);
        if ($statement === false || !$statement->execute($parameters)) {
            throw new \PDOException(sprintf('%s refused the statement. With ATTR_ERRMODE on ERRMODE_EXCEPTION it would say why.', $this->name()));
        }

        return $statement;
    }

    /**
     * Commits what the work did when it returns, and rolls it back when it throws. Inside of another transaction it is a
     * savepoint of that one.
     *
     * @template T
     *
     * @param callable(\PDO): T $work
     *
     * @return T
     */
    public function transaction(callable $work): mixed
    {
        if (Wait::$scheduler === null) {
            return $this->transactionAlone($work);
        }
        $owner = Wait::$scheduler->owner();
        if ($owner === null || $this->holder === $owner) {
            return $this->transactionAlone($work);
        }
        $place = $this->places()->take(Deadline::never(), $this->why());
        $this->holder = $owner;
        try {
            return $this->transactionAlone($work);
        } finally {
            $this->holder = null;
            unset($place);
        }
    }

    /**
     * @template T
     *
     * @param callable(\PDO): T $work
     *
     * @return T
     */
    private function transactionAlone(callable $work): mixed
    {
        $pdo = $this->pdo();
        if ($pdo->inTransaction()) {
            return $this->savepoint($pdo, $work);
        }
        $this->depth = 0;
        try {
            $begun = $pdo->beginTransaction();
        } catch (\PDOException $error) {
            // One that answers may have a transaction begun by SQL, which PDO does not know of.
            if ($this->answers($pdo)) {
                throw $error;
            }
            // Nothing has been done on it, so the work may begin on another: a server that went away is noticed here first.
            $this->drop();
            $pdo = $this->pdo();
            $begun = $pdo->beginTransaction();
        }
        if (!$begun) {
            throw new \PDOException(sprintf('%s did not begin a transaction.', $this->name()));
        }
        try {
            $result = $work($pdo);
            // Some servers commit by themselves, before a CREATE TABLE.
            if ($pdo->inTransaction() && !$pdo->commit()) {
                throw new \PDOException(sprintf('%s did not commit the transaction.', $this->name()));
            }

            return $result;
        } catch (\Throwable $error) {
            if ($this->pdo === $pdo && $pdo->inTransaction()) {
                $this->abandonTransaction();
            }
            throw $error;
        }
    }

    /** Lets the connection go, with its open transaction; the next use makes a new one. */
    public function close(): void
    {
        if ($this->pdo !== null && $this->pid !== getmypid()) {
            self::$inherited[] = $this->pdo;
        }
        $this->drop();
    }

    /** Which database this is, without user and password. */
    public function name(): string
    {
        return (string) preg_replace('/\b(user|uid|username|password|pwd)=[^;]*/i', '$1=…', $this->dsn);
    }

    /** For the runtime. */
    public function isInTransaction(): bool
    {
        try {
            return $this->pdo !== null && $this->pdo->inTransaction() && $this->pid === getmypid();
        } catch (\Throwable) {
            return false;
        }
    }

    /**
     * For the runtime.
     *
     * @return bool false when the connection had to go, too
     */
    public function abandonTransaction(): bool
    {
        $this->depth = 0;
        try {
            if ($this->pdo?->rollBack() === true) {
                return true;
            }
        } catch (\Throwable) {
            // It is dead; the server has rolled back, or will.
        }
        $this->drop();

        return false;
    }

    /**
     * @template T
     *
     * @param callable(\PDO): T $work
     *
     * @return T
     */
    private function savepoint(\PDO $pdo, callable $work): mixed
    {
        $name = 'fpm_gateway_' . ++$this->depth;
        $pdo->exec("SAVEPOINT $name");
        try {
            $result = $work($pdo);
            $pdo->exec("RELEASE SAVEPOINT $name");

            return $result;
        } catch (\Throwable $error) {
            try {
                $pdo->exec("ROLLBACK TO SAVEPOINT $name");
            } catch (\PDOException) {
                // What the work threw says more; the outer transaction ends with it.
            }
            throw $error;
        } finally {
            --$this->depth;
        }
    }

    /**
     * Where many calls run at once: another one that still runs used it last.
     *
     * @internal
     */
    public function isOfOther(?object $owner): bool
    {
        $last = $this->holder ?? $this->lastUser?->get();

        return $last !== null && $last !== $owner;
    }

    /**
     * Where many calls run at once: while one of them has a transaction, what others do would be part of it.
     *
     * @throws \LogicException
     */
    private function awaitOthers(?object $owner): void
    {
        if ($this->holder !== null && $this->holder !== $owner) {
            if ($owner === null) {
                throw new \LogicException(ucfirst($this->why()));
            }
            $place = $this->places()->take(Deadline::never(), $this->why());
            unset($place);
        }
        if ($this->holder === null && $this->lastUser?->get() !== $owner && $this->isInTransaction()) {
            if ($this->lastUser?->get() !== null) {
                throw new \LogicException(ucfirst($this->why()));
            }
            // Its call has ended in whatever way, and left it open.
            $this->abandonTransaction();
        }
        $this->lastUser = $owner === null ? null : \WeakReference::create($owner);
    }

    private function places(): Places
    {
        return $this->places ??= new Places(1);
    }

    private function why(): string
    {
        return "another call of this worker has a transaction on {$this->name()}, which all calls share. Give each a connection of its own by \$call->pool(), or use transaction() and wait for nothing in it.";
    }

    private function isFit(\PDO $pdo): bool
    {
        if ($this->dsn === 'sqlite:' || str_contains($this->dsn, ':memory:') || str_contains($this->dsn, 'mode=memory')) {
            // Another connection is another database, and empty.
            return true;
        }
        $nowNs = hrtime(true);
        if ($nowNs - $this->connectedNs >= $this->ageMaxMs * 1_000_000) {
            return false;
        }
        if ($nowNs - $this->usedNs < $this->checkAfterIdleMs * 1_000_000) {
            return true;
        }

        return $this->answers($pdo);
    }

    private function answers(\PDO $pdo): bool
    {
        try {
            // MySQL's driver warns besides of throwing.
            $answer = @$pdo->query($this->checkSql);

            return $answer !== false && $answer->fetchAll() !== [];
        } catch (\PDOException) {
            return false;
        }
    }

    private function drop(): void
    {
        $this->pdo = null;
        $this->depth = 0;
        if (Resets::$databases !== null) {
            unset(Resets::$databases[$this]);
        }
    }

    private function open(): \PDO
    {
        try {
            $pdo = $this->connect === null ? $this->connect() : ($this->connect)();
        } catch (\PDOException $error) {
            $failed = new \PDOException("Cannot connect to {$this->name()}: {$error->getMessage()}", (int) $error->getCode(), $error);
            $failed->errorInfo = $error->errorInfo;
            throw $failed;
        }
        $this->pid = (int) getmypid();
        $this->connectedNs = hrtime(true);
        Resets::$databases ??= new \WeakMap();
        Resets::$databases[$this] = true;

        return $pdo;
    }

    private function connect(): \PDO
    {
        $driver = strstr($this->dsn, ':', true);
        if ($driver === false) {
            throw new \PDOException("the DSN must begin with its driver's name and a colon, as in mysql:host=…");
        }
        if (!extension_loaded('pdo') || !in_array($driver, \PDO::getAvailableDrivers(), true)) {
            throw new \PDOException("PHP's extension pdo_$driver is not loaded. Install it, for this PHP's php-fpm and its CLI.");
        }
        $options = $this->options + [\PDO::ATTR_ERRMODE => \PDO::ERRMODE_EXCEPTION];
        if (PHP_SAPI === 'cli') {
            // A resident worker keeps the connection anyway, and a persistent one that died might be handed out again.
            unset($options[\PDO::ATTR_PERSISTENT]);
        }

        return new \PDO($this->dsn, $this->user, $this->password, $options);
    }
}
