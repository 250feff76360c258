PRAGMA application_id = 1685549675;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE attempts (          -- each time that a task was run
        task INTEGER NOT NULL,
        attempt INTEGER NOT NULL,    -- 1, 2, ...
        outcome TEXT NOT NULL DEFAULT 'done',   -- done, failed, timeout, cancelled, interrupted, lost
        worker TEXT NOT NULL,        -- host:rank or host:pid
        host TEXT NOT NULL,
        stolen REAL,                 -- when a worker was given it
        started REAL,
        ended REAL,
        exit_status INTEGER DEFAULT 0,          -- as $? of a shell; NULL: not known
        signal INTEGER DEFAULT 0,               -- what ended it, or 0
        user REAL,                   -- CPU seconds, with all children
        system REAL,
        max_rss INTEGER,             -- bytes
        reason TEXT,                 -- why it was ended, did not start, or is lost
        stderr BLOB,                 -- the end of it, when it did not end well
        PRIMARY KEY (task, attempt)
    ) WITHOUT ROWID;
INSERT INTO "attempts" VALUES(0,1,'done','node1:1','node1',1700000001.0,1700000001.0,1700000003.5,0,0,2.0,0.25,3145728,NULL,NULL);
INSERT INTO "attempts" VALUES(1,1,'interrupted','node2:1','node2',1700001001.0,1700001001.0,1700001006.5,143,15,0.0,0.0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(1,2,'failed','node1:1','node1',1700002001.0,1700002001.0,1700002001.5,3,0,0.0,0.0,0,NULL,X'6261643A2066697273740A');
INSERT INTO "attempts" VALUES(1,3,'failed','node1:1','node1',1700002003.0,1700002003.0,1700002003.5,3,0,0.0,0.0,0,NULL,X'6261643A207365636F6E640AFF0A');
INSERT INTO "attempts" VALUES(2,1,'timeout','node1:1','node1',1700002001.0,1700002001.0,1700002003.01,143,15,0.0,0.0,0,'timed out after 2 s',NULL);
INSERT INTO "attempts" VALUES(6,1,'cancelled','node1:1','node1',1700002001.0,1700002001.0,1700002004.5,143,15,0.0,0.0,0,'cancelled',NULL);
INSERT INTO "attempts" VALUES(8,1,'failed','node1:1','node1',1700002001.0,1700002001.0,1700002004.5,137,9,0.0,0.0,0,'out of memory: killed by the system',NULL);
INSERT INTO "attempts" VALUES(9,1,'failed','node2:1','node2',1700002001.0,1700002001.0,1700002001.0,127,0,0.0,0.0,0,'cannot start nostart: No such file or directory',NULL);
INSERT INTO "attempts" VALUES(10,1,'failed','node2:1','node2',1700002001.0,1700002001.0,1700002005.0,74,0,0.0,0.0,0,'its output cannot be stored: No space left on device',NULL);
INSERT INTO "attempts" VALUES(11,1,'lost','node1:1','node1',1700000001.0,NULL,1700000061.0,NULL,NULL,NULL,NULL,NULL,'it was silent for 60 s',NULL);
INSERT INTO "attempts" VALUES(12,1,'interrupted','node1:2','node1',1700000001.0,NULL,1700000010.0,NULL,NULL,NULL,NULL,NULL,'it said goodbye',NULL);
INSERT INTO "attempts" VALUES(12,2,'interrupted','node2:1','node2',1700001001.0,1700001007.0,1700001007.0,143,15,0.0,0.0,0,'a task that it depends on must run again',NULL);
INSERT INTO "attempts" VALUES(13,1,'lost','node1:2','node1',1700000001.0,NULL,1700000006.0,NULL,NULL,NULL,NULL,NULL,'it never arrived',NULL);
INSERT INTO "attempts" VALUES(14,1,'lost','node2:1','node2',1700000011.0,NULL,1700000021.0,NULL,NULL,NULL,NULL,NULL,'it was finished elsewhere',NULL);
INSERT INTO "attempts" VALUES(15,1,'lost','node2:1','node2',1700000011.0,NULL,1700000022.0,NULL,NULL,NULL,NULL,NULL,'some of its output never arrived',NULL);
INSERT INTO "attempts" VALUES(15,2,'lost','node2:1','node2',1700001001.0,NULL,1700001037.0,NULL,NULL,NULL,NULL,NULL,'it did not end within 30 s',NULL);
INSERT INTO "attempts" VALUES(16,1,'lost','node1:1','node1',1700000001.0,NULL,1700000061.0,NULL,NULL,NULL,NULL,NULL,'it was silent for 60 s',NULL);
INSERT INTO "attempts" VALUES(16,2,'lost','node2:2','node2',NULL,NULL,1700001000.0,NULL,NULL,NULL,NULL,NULL,'the pool ended while it ran',NULL);
INSERT INTO "attempts" VALUES(16,3,'lost','node2:1','node2',1700002001.0,NULL,1700002009.0,NULL,NULL,NULL,NULL,NULL,'it was silent for 60 s',NULL);
INSERT INTO "attempts" VALUES(17,1,'interrupted','node1:1','node1',1700001001.0,1700001001.0,1700001006.5,143,15,0.0,0.0,0,'cancelled',NULL);
INSERT INTO "attempts" VALUES(18,1,'lost','node2:2','node2',NULL,NULL,1700001000.0,NULL,NULL,NULL,NULL,NULL,'the pool ended while it ran',NULL);
INSERT INTO "attempts" VALUES(19,1,'interrupted','node1:1','node1',1700001001.0,1700001001.0,1700001004.0,0,0,0.0,0.0,0,'SIGTERM',NULL);
CREATE TABLE finished (          -- ends of tasks that are still to be entered above: a batch a row
        id INTEGER PRIMARY KEY,
        time REAL NOT NULL,
        worker TEXT NOT NULL,
        columns BLOB NOT NULL        -- see batch.py
    );
INSERT INTO "finished" VALUES(1,1700002012.0,'node1:1',X'110000000000000000008036FE54D941000000000000004000000000000000000000000002000000');
CREATE TABLE hands (             -- who was given what, or (worker NULL) gave it back: for finding what was running
        id INTEGER PRIMARY KEY,
        time REAL NOT NULL,
        worker TEXT,
        tasks TEXT NOT NULL          -- JSON: [[task, ...], [attempt, ...] or null when all are 1]
    );
INSERT INTO "hands" VALUES(1,1700002001.0,'node1:1','[[1,2,6,8],[2,1,1,1]]');
INSERT INTO "hands" VALUES(2,1700002001.0,'node2:1','[[9,10,16,20],[1,1,3,1]]');
INSERT INTO "hands" VALUES(3,1700002003.0,'node1:1','[[1],[3]]');
INSERT INTO "hands" VALUES(4,1700002010.0,'node1:1','[[17,18],[2,2]]');
CREATE TABLE output (            -- where in the log files the output of an attempt is
        task INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        stream INTEGER NOT NULL,     -- 1 stdout, 2 stderr
        position INTEGER NOT NULL,   -- 0, 1, 2, ... when it came in pieces
        file TEXT NOT NULL,          -- from the directory of the record
        offset INTEGER NOT NULL,     -- bytes
        length INTEGER NOT NULL,
        PRIMARY KEY (task, attempt, stream, position)
    ) WITHOUT ROWID;
CREATE TABLE predecessors (      -- task runs after predecessor
        task INTEGER NOT NULL,
        position INTEGER NOT NULL,   -- 0, 1, 2, ... in the order of the task file
        predecessor INTEGER,         -- NULL: name is unknown, and counts as done
        name TEXT,
        added REAL,                  -- when, if that was after the task itself (a transfer)
        PRIMARY KEY (task, position)
    ) WITHOUT ROWID;
INSERT INTO "predecessors" VALUES(1,0,0,NULL,NULL);
INSERT INTO "predecessors" VALUES(3,0,1,NULL,NULL);
INSERT INTO "predecessors" VALUES(4,0,3,NULL,NULL);
INSERT INTO "predecessors" VALUES(5,0,2,NULL,NULL);
INSERT INTO "predecessors" VALUES(5,1,0,NULL,NULL);
INSERT INTO "predecessors" VALUES(7,0,6,NULL,NULL);
INSERT INTO "predecessors" VALUES(21,0,0,NULL,NULL);
INSERT INTO "predecessors" VALUES(21,1,16,NULL,NULL);
INSERT INTO "predecessors" VALUES(22,0,21,NULL,NULL);
CREATE TABLE runs (              -- each time that a pool or dhub worked on this record
        id INTEGER PRIMARY KEY,
        started REAL NOT NULL,       -- all times are seconds since the epoch
        ended REAL,                  -- NULL: it runs, or was killed
        host TEXT NOT NULL,
        pid INTEGER NOT NULL,
        job TEXT,                    -- number of the batch job
        version TEXT NOT NULL,       -- of dwork
        command TEXT NOT NULL,       -- its command line
        outcome TEXT                 -- how it ended, in words
    );
INSERT INTO "runs" VALUES(1,1700000000.0,NULL,'node1',4711,NULL,'0','dwork pool tasks.txt',NULL);
INSERT INTO "runs" VALUES(2,1700001000.0,1700001038.0,'node1',4711,NULL,'0','dwork pool tasks.txt','stopped');
INSERT INTO "runs" VALUES(3,1700002000.0,NULL,'node1',4711,NULL,'0','dwork pool tasks.txt',NULL);
CREATE TABLE tasks (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        command TEXT,                -- what a shell would be given; NULL: a join, which has nothing to run
        arguments TEXT,              -- JSON: the argument list, when it is started without a shell
        options TEXT,                -- JSON: what the task asks for, when it asks for something
        origin TEXT,                 -- the host that added it while the pool ran; NULL: it is from a task file
        state TEXT NOT NULL DEFAULT 'waiting',  -- waiting, done, failed, skipped, cancelled
        held INTEGER NOT NULL DEFAULT 0,        -- 1: kept from starting until it is released
        reason TEXT,                 -- why it failed, was skipped (after whom) or cancelled
        queued REAL NOT NULL,        -- when it was added
        removed REAL,                -- when it was found to be in the task files no more
        forgiven INTEGER NOT NULL DEFAULT 0     -- failures of attempts up to this one count no more against `retries`
    );
INSERT INTO "tasks" VALUES(0,'mesh','run mesh',NULL,NULL,NULL,'done',0,NULL,1700000000.0,NULL,0);
INSERT INTO "tasks" VALUES(1,'bad','run bad',NULL,'{"retries": 1}',NULL,'failed',0,'exit status 3',1700000000.0,NULL,0);
INSERT INTO "tasks" VALUES(2,'late','run late',NULL,'{"timeout": 2.0}',NULL,'failed',0,'timed out after 2 s',1700000000.0,NULL,0);
INSERT INTO "tasks" VALUES(3,'sub','run sub',NULL,NULL,NULL,'skipped',0,'after bad',1700000000.0,NULL,0);
INSERT INTO "tasks" VALUES(4,'subsub','run subsub',NULL,NULL,NULL,'skipped',0,'after bad',1700000000.0,NULL,0);
INSERT INTO "tasks" VALUES(5,'afterlate','run afterlate',NULL,NULL,NULL,'skipped',0,'after late',1700000000.0,NULL,0);
INSERT INTO "tasks" VALUES(6,'gone','run gone',NULL,NULL,NULL,'cancelled',0,'on request',1700000000.0,NULL,0);
INSERT INTO "tasks" VALUES(7,'aftergone','run aftergone',NULL,NULL,NULL,'skipped',0,'after gone',1700000000.0,NULL,0);
INSERT INTO "tasks" VALUES(8,'big','run big',NULL,NULL,NULL,'failed',0,'out of memory: killed by the system',1700000000.0,NULL,0);
INSERT INTO "tasks" VALUES(9,'nostart','run nostart',NULL,NULL,NULL,'failed',0,'cannot start nostart: No such file or directory',1700000000.0,NULL,0);
INSERT INTO "tasks" VALUES(10,'full','run full',NULL,NULL,NULL,'failed',0,'its output cannot be stored: No space left on device',1700000000.0,NULL,0);
INSERT INTO "tasks" VALUES(11,'lost','run lost',NULL,NULL,NULL,'waiting',0,NULL,1700000000.0,NULL,0);
INSERT INTO "tasks" VALUES(12,'left','run left',NULL,NULL,NULL,'waiting',0,NULL,1700000000.0,NULL,0);
INSERT INTO "tasks" VALUES(13,'never','run never',NULL,NULL,NULL,'waiting',1,NULL,1700000000.0,NULL,0);
INSERT INTO "tasks" VALUES(14,'elsewhere','run elsewhere',NULL,NULL,NULL,'waiting',0,NULL,1700000000.0,NULL,0);
INSERT INTO "tasks" VALUES(15,'noout','run noout',NULL,NULL,NULL,'waiting',0,NULL,1700000000.0,NULL,0);
INSERT INTO "tasks" VALUES(16,'dead','run dead',NULL,NULL,NULL,'failed',0,'3 workers died while running it; the last: it was silent for 60 s',1700000000.0,NULL,0);
INSERT INTO "tasks" VALUES(17,'stopped','run stopped',NULL,NULL,NULL,'waiting',0,NULL,1700000000.0,NULL,0);
INSERT INTO "tasks" VALUES(18,'crash','run crash',NULL,NULL,NULL,'waiting',0,NULL,1700000000.0,NULL,0);
INSERT INTO "tasks" VALUES(19,'revoked','run revoked',NULL,NULL,NULL,'waiting',0,NULL,1700000000.0,NULL,1);
INSERT INTO "tasks" VALUES(20,'held','run held',NULL,NULL,NULL,'waiting',0,NULL,1700000000.0,NULL,0);
INSERT INTO "tasks" VALUES(21,'join',NULL,NULL,NULL,NULL,'waiting',0,NULL,1700000000.0,NULL,0);
INSERT INTO "tasks" VALUES(22,'afterjoin','run afterjoin',NULL,NULL,NULL,'skipped',0,'after dead',1700000000.0,NULL,0);
CREATE TABLE workers (
        id INTEGER PRIMARY KEY,
        location TEXT NOT NULL,
        slots INTEGER NOT NULL,
        joined REAL NOT NULL,
        left REAL,
        reason TEXT
    );
INSERT INTO "workers" VALUES(1,'node1:1',2,1700000000.0,1700000061.0,'it was silent for 60 s');
INSERT INTO "workers" VALUES(2,'node1:2',2,1700000000.0,1700000010.0,'it said goodbye');
INSERT INTO "workers" VALUES(3,'node2:1',2,1700000000.0,NULL,NULL);
INSERT INTO "workers" VALUES(4,'node2:2',2,1700000000.0,NULL,NULL);
INSERT INTO "workers" VALUES(5,'node1:1',2,1700001000.0,1700001038.0,'stopped');
INSERT INTO "workers" VALUES(6,'node2:1',2,1700001000.0,1700001038.0,'stopped');
INSERT INTO "workers" VALUES(7,'node1:1',4,1700002000.0,NULL,NULL);
INSERT INTO "workers" VALUES(8,'node2:1',4,1700002000.0,NULL,NULL);
COMMIT;
